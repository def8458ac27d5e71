namespace Conduit.Server.Tests

open System
open FsCheck
open FsCheck.FSharp
open Xunit.Sdk

/// Properties over generators. A failure names the seed of its run, and the environment variable
/// CONDUIT_SEED gives every property that seed again.
[<RequireQualifiedAccess>]
module Seeded =

    let private seed () =
        match Environment.GetEnvironmentVariable "CONDUIT_SEED" with
        | null
        | "" -> uint64 (Random.Shared.NextInt64())
        | text -> UInt64.Parse text

    /// Holds for 300 values of the generator.
    let forAll (generator: Gen<'a>) (property: 'a -> bool) =
        let seed = seed ()

        let config =
            Config.QuickThrowOnFailure
                .WithQuietOnSuccess(true)
                .WithMaxTest(300)
                .WithReplay(Some { Rnd = Rnd seed; Size = None })

        try
            Check.One(config, Prop.forAll (Arb.fromGen generator) property)
        with failure ->
            raise (XunitException $"CONDUIT_SEED={seed} replays this: {failure.Message}")
