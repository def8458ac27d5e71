namespace Conduit.Tests

open System
open System.Net
open FsCheck
open FsCheck.FSharp
open Conduit

/// Values of the core's closed types, from plain text and numbers that are known to be right.
[<RequireQualifiedAccess>]
module Make =

    let private right result =
        match result with
        | Ok value -> value
        | Error fault -> failwith $"a test wrote something wrong: {fault}"

    let backendId text = BackendId.create "test" text |> right

    let weight value = Weight.create "test" value |> right

    let url text = BackendUrl.parse "test" text |> right

    let spec text = BackendSpec.parse "test" text |> right

    let poolName text = PoolName.create "test" text |> right

    let settings strategy thresholds = {
        PoolSettings.defaults with
            Strategy = strategy
            Check = {
                PoolSettings.defaults.Check with
                    Thresholds = thresholds
            }
    }

/// What matters of a backend when one is chosen.
type Member = {
    Weight: Weight
    Available: bool
    /// Requests in flight.
    Load: int
    /// Whether the request that chooses has been there before.
    Tried: bool
}

/// The domain's arbitraries. Ids, URLs and pools come from a small world, so that events meet.
type Generators =

    static member String() =
        ArbMap.defaults
        |> ArbMap.arbitrary<string>
        |> Arb.filter (fun text -> not (obj.ReferenceEquals(text, null)))

    static member Weight() =
        Gen.frequency [ 3, Gen.choose (1, 5); 1, Gen.choose (1, 256) ]
        |> Gen.map Make.weight
        |> fun weights ->
            Arb.fromGenShrink (
                weights,
                fun weight -> seq {
                    if weight <> Weight.one then
                        Weight.one
                        Make.weight (Weight.value weight / 2)
                        Make.weight (Weight.value weight - 1)
                }
            )

    /// Those that have a name of their own: no strategy from outside.
    static member Strategy() =
        Gen.elements Strategy.all |> Arb.fromGen

    static member BackendId() =
        Gen.elements [ "a"; "b"; "c"; "d"; "e" ]
        |> Gen.map Make.backendId
        |> Arb.fromGen

    static member BackendUrl() =
        Gen.elements [ "http://10.0.0.1"; "https://10.0.0.1:8443"; "http://[::1]:8081/base" ]
        |> Gen.map Make.url
        |> Arb.fromGen

    static member BackendSpec
        (ids: Arbitrary<BackendId>, urls: Arbitrary<BackendUrl>, weights: Arbitrary<Weight>)
        =
        Gen.map3
            (fun id url (weight, backup) -> {
                BackendSpec.Id = id
                Url = url
                AllAddresses = false
                Weight = weight
                Backup = backup
            })
            ids.Generator
            urls.Generator
            (Gen.zip weights.Generator (Gen.frequency [ 3, Gen.constant false; 1, Gen.constant true ]))
        |> Arb.fromGen

    static member Instant() =
        Gen.choose (0, 1_000_000)
        |> Gen.map (fun milliseconds -> Instant.ofElapsed (TimeSpan.FromMilliseconds(float milliseconds)))
        |> Arb.fromGen

    static member Thresholds() =
        Gen.map2 (fun rise fall -> { Rise = rise; Fall = fall }) (Gen.choose (1, 5)) (Gen.choose (1, 5))
        |> Arb.fromGen

    static member PoolName() =
        Gen.elements [ PoolName.defaultPool; Make.poolName "web" ] |> Arb.fromGen

    static member BreakerSettings() =
        Gen.map3
            (fun threshold reset limit -> {
                FailureThreshold = threshold
                ResetTimeout = TimeSpan.FromMilliseconds(float reset)
                MaxResetTimeout = TimeSpan.FromMilliseconds(4.0 * float reset)
                HalfOpenLimit = limit
                FailureStatuses = StatusSet.range 500 599
            })
            (Gen.choose (1, 4))
            (Gen.choose (1, 200_000))
            (Gen.choose (1, 3))
        |> Arb.fromGen

    static member Evidence() =
        Gen.elements [
            Evidence.Passed
            Evidence.Passed
            Evidence.Refused 500
            Evidence.Failed "refused"
            Evidence.Failed "timed out"
        ]
        |> Arb.fromGen

    static member PoolSettings
        (
            strategies: Arbitrary<Strategy>,
            thresholds: Arbitrary<Thresholds>,
            breakers: Arbitrary<BreakerSettings>
        ) =
        Gen.map3
            (fun strategy thresholds breaker -> {
                Make.settings strategy thresholds with
                    Breaker = breaker
            })
            strategies.Generator
            thresholds.Generator
            (Gen.optionOf breakers.Generator)
        |> Arb.fromGen

    static member PoolEvent
        (
            specs: Arbitrary<BackendSpec>,
            ids: Arbitrary<BackendId>,
            weights: Arbitrary<Weight>,
            admin: Arbitrary<AdminState>,
            evidence: Arbitrary<Evidence>
        ) =
        let failures = Gen.elements [ None; None; Some "refused"; Some "timed out" ]
        let id = ids.Generator

        let addresses =
            Gen.subListOf [ "10.0.0.1"; "10.0.0.2"; "10.0.0.3"; "::1" ]
            |> Gen.map (Seq.map IPAddress.Parse >> List.ofSeq)

        Gen.frequency [
            4, specs.Generator |> Gen.map PoolEvent.Added
            3, id |> Gen.map PoolEvent.Removed
            1, specs.Generator |> Gen.map PoolEvent.NameAdded
            1, id |> Gen.map PoolEvent.NameRemoved
            2, Gen.map2 (fun id addresses -> PoolEvent.Resolved(id, addresses)) id addresses
            1, Gen.map2 (fun id weight -> PoolEvent.WeightSet(id, weight)) id weights.Generator
            1, Gen.map2 (fun id backup -> PoolEvent.BackupSet(id, backup)) id (Gen.elements [ false; true ])
            2, Gen.map2 (fun id admin -> PoolEvent.AdminSet(id, admin)) id admin.Generator
            8, Gen.map2 (fun id failure -> PoolEvent.Checked(id, failure)) id failures
            8,
            Gen.map3
                (fun id epoch evidence -> PoolEvent.Traffic(id, epoch, evidence))
                id
                (Gen.choose (0, 3))
                evidence.Generator
            2, Gen.constant PoolEvent.Ticked
        ]
        |> Arb.fromGen

    static member Event
        (names: Arbitrary<PoolName>, settings: Arbitrary<PoolSettings>, news: Arbitrary<PoolEvent>)
        =
        Gen.frequency [
            1,
            Gen.map2
                (fun name settings -> Event.PoolCreated(name, settings))
                names.Generator
                settings.Generator
            1, Gen.constant Event.Ticked
            9, Gen.map2 (fun name news -> Event.InPool(name, news)) names.Generator news.Generator
        ]
        |> Arb.fromGen

    static member Member(weights: Arbitrary<Weight>) =
        let members =
            Gen.map4
                (fun weight available load tried -> {
                    Weight = weight
                    Available = available
                    Load = load
                    Tried = tried
                })
                weights.Generator
                (Gen.frequency [ 4, Gen.constant true; 1, Gen.constant false ])
                (Gen.choose (0, 12))
                (Gen.frequency [ 3, Gen.constant false; 1, Gen.constant true ])

        Arb.fromGenShrink (
            members,
            fun each -> seq {
                for weight in weights.Shrinker each.Weight do
                    { each with Weight = weight }

                if each.Load > 0 then
                    { each with Load = 0 }
                    { each with Load = each.Load - 1 }

                if each.Tried then
                    { each with Tried = false }

                if not each.Available then
                    { each with Available = true }
            }
        )
