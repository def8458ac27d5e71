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
let ``a longer time raises it by a quarter at most, and such times again and again up to their own height``
    ()
    =
    let now = second 1.0
    let slow count = List.replicate count (took 100.0)

    let after times =
        (Pace.start now 5.0, times)
        ||> List.fold (fun pace time -> Pace.observe now time pace)
        |> Pace.at now

    near 6.25 (after (slow 1))
    near (5.0 * 1.25 ** 3.0) (after (slow 3))
    near 100.0 (after (slow 20))

[<Fact>]
let ``a pause that makes three requests of one backend late leaves it the equal of another`` () =
    let now = second 1.0

    let paused =
        (Pace.start now 5.0, List.replicate 3 (took 500.0))
        ||> List.fold (fun pace time -> Pace.observe now time pace)

    Assert.Equal(struct (1.0, 1.0), Pace.compared now paused (Pace.start now 5.0))

[<Fact>]
let ``what was observed loses all but 1/e of its say in 10 seconds`` () =
    let pace = Pace.start (second 1.0) 100.0
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
    let pace = Pace.start (second 100.0) 50.0
    near 50.0 (Pace.at (second 1.0) pace)
    let beforeTheEnd = Instant.ofElapsed (TimeSpan.FromMilliseconds(4294967295.0))
    let late = Pace.start beforeTheEnd 50.0
    near (50.0 * exp -1.0) (Pace.at (Instant.add (TimeSpan.FromSeconds 10.0) beforeTheEnd) late)

[<Fact>]
let ``two are compared by their times only when those differ by more than a factor of two`` () =
    let now = second 1.0

    let pace = Pace.start now

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
        target.Gauge.Assume(Pace.start Pools.now (float time / 10.0))

    let cost (other: Target) (target: Target) =
        let struct (_, time) = Pace.compared Pools.now other.Gauge.Pace target.Gauge.Pace

        time * float (target.Gauge.InFlight + 1) / float (Pools.weightOf target)

    view, Pools.pick turn [] view, cost

[<Fact>]
let ``of two backends peak-ewma picks the one that can be expected to answer sooner`` () =
    Property.check (fun a b seed turn ->
        let view, picked, cost = choose [ a; b ] seed turn

        let struct (timeOfA, timeOfB) =
            Pace.compared Pools.now view.Targets[0].Gauge.Pace view.Targets[1].Gauge.Pace

        let isIdle = view.Targets |> Array.forall (fun target -> target.Gauge.InFlight = 0)

        // Of those that are idle and equally fast any is right: the draw decides, by their weights.
        (isIdle && timeOfA = timeOfB)
        || view.Targets
           |> Array.forall (fun other -> cost other picked <= cost picked other * 1.000001))

[<Fact>]
let ``idle backends of one pace get the shares of their weights of peak-ewma`` () =
    let view =
        Pools.view Strategy.PeakEwma 3UL [ for weight in 1..4 -> Pools.idle (Make.weight weight) ]

    Assert.Equal<string list>([], Chance.misfits [| 0.1; 0.2; 0.3; 0.4 |] (Pools.counts 0UL 200_000 view))

[<Theory>]
[<InlineData(2, 0.1)>]
[<InlineData(3, 0.1)>]
[<InlineData(5, 0.1)>]
[<InlineData(22, 0.03)>]
[<InlineData(110, 0.01)>]
let ``under load too, shares of peak-ewma follow the weights of backends that are equally fast``
    (inFlight: int)
    (slack: float)
    =
    for weights in [ [ 10; 1 ]; [ 1; 1 ]; [ 3; 2 ] ] do
        let workload: Simulation.Workload = {
            Arrivals = Simulation.Arrivals.Poisson(100.0 * float inFlight)
            Requests = 40_000
            Servers = [
                for number, weight in List.indexed weights do
                    {
                        Simulation.Server.create
                            $"server-{number}"
                            (Simulation.ServiceTime.Constant(took 10.0)) with
                            Weight = weight
                            Workers = 1_000
                    }
            ]
            Seed = 11UL
        }

        let result = Simulation.Simulation.run Strategy.PeakEwma workload

        for server, weight in List.zip result.Servers weights do
            let share = float server.Requests / float workload.Requests
            let expected = float weight / float (List.sum weights)
            Assert.InRange(share, expected - slack, expected + slack)

[<Fact>]
let ``a backend that joins is taken for as fast as the median of the others`` () =
    let view =
        Pools.view Strategy.PeakEwma 0UL (List.replicate 3 (Pools.idle Weight.one))

    for target, time in Seq.zip view.Targets [ 5.0; 500.0; 20.0 ] do
        target.Gauge.Assume(Pace.start Pools.now time)

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
