module Conduit.Tests.PaceTests

open System
open FsCheck
open Xunit
open Conduit

let private second (value: float) =
    Instant.ofElapsed (TimeSpan.FromSeconds value)

let private took (milliseconds: float) = TimeSpan.FromMilliseconds milliseconds

let private near (expected: float) actual =
    Assert.InRange(actual, expected * 0.999, expected * 1.001)

[<Fact>]
let ``nothing is known at first, and any time is something`` () =
    Assert.False(Pace.isKnown Pace.unknown)
    Assert.True(Pace.isKnown (Pace.observe (second 0.0) TimeSpan.Zero Pace.unknown))

[<Fact>]
let ``a longer time counts at once and wholly`` () =
    let pace =
        Pace.unknown
        |> Pace.observe (second 1.0) (took 5.0)
        |> Pace.observe (second 2.0) (took 100.0)

    near 100.0 (Pace.at (second 2.0) pace)

[<Fact>]
let ``what was observed loses all but 1/e of its say in 10 seconds`` () =
    let pace = Pace.unknown |> Pace.observe (second 1.0) (took 100.0)
    near (100.0 * exp -1.0) (Pace.at (second 11.0) pace)
    let later = pace |> Pace.observe (second 11.0) (took 5.0)
    near (100.0 * exp -1.0 + 5.0 * (1.0 - exp -1.0)) (Pace.at (second 11.0) later)

[<Fact>]
let ``equal times all the while are what it stands for`` () =
    let pace =
        (Pace.unknown, [ 1..5000 ])
        ||> List.fold (fun pace step -> Pace.observe (second (float step / 100.0)) (took 20.0) pace)

    near 20.0 (Pace.at (second 50.0) pace)

[<Fact>]
let ``a failure makes a backend at least twice as slow, however fast it came`` () =
    Property.check (fun (times: uint16 list) (failed: uint16) ->
        let now = second 1.0

        let before =
            (Pace.unknown, times)
            ||> List.fold (fun pace time -> Pace.observe now (took (float time / 10.0)) pace)

        let after = Pace.fail now (took (float failed / 10.0)) before
        Pace.at now after >= 1.999 * min 30_000.0 (max 10.0 (Pace.at now before)))

[<Fact>]
let ``no number of failures makes it slower than a minute`` () =
    let pace =
        (Pace.unknown, [ 1..100 ])
        ||> List.fold (fun pace _ -> Pace.fail (second 1.0) TimeSpan.Zero pace)

    near 60_000.0 (Pace.at (second 1.0) pace)

[<Fact>]
let ``a clock that goes back or goes round changes nothing of what was observed`` () =
    let pace = Pace.observe (second 100.0) (took 50.0) Pace.unknown
    near 50.0 (Pace.at (second 1.0) pace)
    let beforeTheEnd = Instant.ofElapsed (TimeSpan.FromMilliseconds(4294967295.0))
    let late = Pace.observe beforeTheEnd (took 50.0) Pace.unknown
    near (50.0 * exp -1.0) (Pace.at (Instant.add (TimeSpan.FromSeconds 10.0) beforeTheEnd) late)

[<Fact>]
let ``two are compared by their times only when those differ by more than a factor of two`` () =
    let now = second 1.0

    let pace time =
        Pace.observe now (took time) Pace.unknown

    Assert.Equal(struct (1.0, 1.0), Pace.compared now (pace 10.0) (pace 19.0))
    Assert.Equal(struct (1.0, 1.0), Pace.compared now (pace 0.1) (pace 0.9))
    Assert.Equal(struct (1.0, 1.0), Pace.compared now (pace 500.0) Pace.unknown)
    let struct (a, b) = Pace.compared now (pace 10.0) (pace 40.0)
    near 4.0 (b / a)

let private choose (members: (Weight * uint16 * byte) list) seed turn =
    let view =
        members
        |> List.map (fun (weight, _, load) -> {
            Pools.idle weight with
                Load = int load % 20
        })
        |> Pools.view Strategy.PeakEwma seed

    for target, (_, time, _) in Seq.zip view.Targets members do
        target.Gauge.Paced(Pools.now, took (float time / 10.0), false)

    let cost (other: Target) (target: Target) =
        let struct (timeOfOther, time) =
            Pace.compared Pools.now other.Gauge.Pace target.Gauge.Pace

        let own = if time = timeOfOther then 0 else 1
        time * float (target.Gauge.InFlight + own) / float (Pools.weightOf target)

    view, Pools.pick turn [] view, cost

[<Fact>]
let ``of two backends peak-ewma picks the one that can be expected to answer sooner`` () =
    Property.check (fun a b seed turn ->
        let view, picked, cost = choose [ a; b ] seed turn

        view.Targets
        |> Array.forall (fun other -> cost other picked <= cost picked other * 1.000001))

[<Fact>]
let ``idle backends of one pace get the shares of their weights of peak-ewma`` () =
    let view =
        Pools.view Strategy.PeakEwma 3UL [ for weight in 1..4 -> Pools.idle (Make.weight weight) ]

    Assert.Equal<string list>([], Chance.misfits [| 0.1; 0.2; 0.3; 0.4 |] (Pools.counts 0UL 200_000 view))

[<Fact>]
let ``a backend that joins is taken for as fast as the median of the others`` () =
    let view =
        Pools.view Strategy.PeakEwma 0UL (List.replicate 3 (Pools.idle Weight.one))

    for target, time in Seq.zip view.Targets [ 5.0; 500.0; 20.0 ] do
        target.Gauge.Paced(Pools.now, took time, false)

    let snapshot = {
        Snapshot.empty with
            Pools = [| view |]
            ByName = System.Collections.Generic.Dictionary(dict [ PoolName.defaultPool, view ])
    }

    let joined =
        Pools.fold (Snapshot.state snapshot) [
            Pools.inDefault (PoolEvent.Added(Make.spec "http://new:1;id=new"))
        ]
        |> Snapshot.next 0UL snapshot

    near 20.0 (Pace.at Pools.now (Array.last joined.Pools[0].Targets).Gauge.Pace)
