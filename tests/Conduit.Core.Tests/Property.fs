namespace Conduit.Tests

open System
open FsCheck
open Xunit.Sdk

/// Runs properties with FsCheck over the domain's generators. A failure names the seed of its run, and
/// the environment variable CONDUIT_SEED gives every property that seed again.
[<RequireQualifiedAccess>]
module Property =

    let private seed () =
        match Environment.GetEnvironmentVariable "CONDUIT_SEED" with
        | null
        | "" -> uint64 (Random.Shared.NextInt64())
        | text -> UInt64.Parse text

    let private run tests (property: 'Testable) =
        let seed = seed ()

        let config =
            Config.QuickThrowOnFailure
                .WithQuietOnSuccess(true)
                .WithMaxTest(tests)
                .WithEndSize(50)
                .WithArbitrary([ typeof<Generators> ])
                .WithReplay(Some { Rnd = Rnd seed; Size = None })

        try
            Check.One(config, property)
        with failure ->
            raise (XunitException $"CONDUIT_SEED={seed} replays this: {failure.Message}")

    /// Holds for 300 random cases, from small ones to larger ones.
    let check property = run 300 property

    /// Holds for 1,000 random cases: for properties over what strangers write.
    let checkMany property = run 1000 property

    /// Holds for 50 random cases: for properties that start threads or an agent.
    let checkFew property = run 50 property
