module Conduit.Tests.SlowStartTests

open System
open FsCheck
open Xunit
open Conduit

let private at (seconds: float) =
    Instant.ofElapsed (TimeSpan.FromSeconds seconds)

let private settings strategy = {
    Make.settings strategy { Rise = 1; Fall = 1 } with
        SlowStart = TimeSpan.FromSeconds 10.0
}

let private id = Make.backendId

let private passed name =
    Pools.inDefault (PoolEvent.Checked(id name, None))

let private failed name =
    Pools.inDefault (PoolEvent.Checked(id name, Some "refused"))

/// A pool of two backends that settled at the instant 0.
let private settled strategy =
    List.fold (State.evolve (at 0.0)) State.empty [
        Event.PoolCreated(PoolName.defaultPool, settings strategy)
        Pools.inDefault (PoolEvent.Added(Make.spec "http://a:1;id=a;weight=2"))
        Pools.inDefault (PoolEvent.Added(Make.spec "http://b:1;id=b;weight=2"))
        Pools.inDefault PoolEvent.Settled
    ]

let private tenths name (state: State) =
    state.Pools[PoolName.defaultPool].Backends[id name].Tenths

let private step seconds state event = State.evolve (at seconds) state event

[<Fact>]
let ``at the start of a pool all of each weight counts`` () =
    let state = settled Strategy.WeightedRoundRobin
    Assert.Equal((10, 10), (tenths "a" state, tenths "b" state))
    let start = step 1.0 state (passed "a")
    Assert.Equal(10, tenths "a" start)

[<Fact>]
let ``a backend that comes back counts a tenth at first, and a tenth more with each tenth of the time`` () =
    let down = step 100.0 (settled Strategy.WeightedRoundRobin) (failed "a")
    let up = step 200.0 down (passed "a")
    Assert.Equal((1, 10), (tenths "a" up, tenths "b" up))

    for seconds, expected in [ 200.5, 1; 201.9, 1; 202.1, 2; 205.1, 5; 209.1, 9; 210.1, 10; 500.0, 10 ] do
        Assert.Equal(expected, tenths "a" (step seconds up Event.Ticked))

[<Fact>]
let ``the time of the next step is known, until there is none`` () =
    let up =
        step 200.0 (step 100.0 (settled Strategy.WeightedRoundRobin) (failed "a")) (passed "a")

    let mutable state = up
    let mutable due = Pool.due state.Pools[PoolName.defaultPool]
    let mutable steps = 0

    while due.IsSome do
        // A tick later, as clocks are.
        state <- State.evolve (Instant.add (TimeSpan.FromTicks 1L) due.Value) state Event.Ticked
        due <- Pool.due state.Pools[PoolName.defaultPool]
        steps <- steps + 1

    Assert.Equal((9, 10), (steps, tenths "a" state))

[<Fact>]
let ``a backend that joins a running pool, or is made ready again, starts slowly`` () =
    let state = settled Strategy.WeightedRoundRobin

    let joined =
        step 50.0 state (Pools.inDefault (PoolEvent.Added(Make.spec "http://c:1;id=c")))

    Assert.Equal((1, 10), (tenths "c" joined, tenths "a" joined))

    let admin state =
        Pools.inDefault (PoolEvent.AdminSet(id "a", state))

    let back =
        step 70.0 (step 60.0 state (admin AdminState.Draining)) (admin AdminState.Ready)

    Assert.Equal(1, tenths "a" back)

[<Fact>]
let ``the first addresses of a name begin with all of their weight, later ones start slowly`` () =
    let spec = {
        Make.spec "http://app.example:80;id=app" with
            AllAddresses = true
    }

    let found addresses =
        Pools.inDefault (
            PoolEvent.Resolved(
                spec.Id,
                addresses |> List.map (fun (text: string) -> System.Net.IPAddress.Parse text)
            )
        )

    let resolved =
        settled Strategy.WeightedRoundRobin
        |> fun state -> step 10.0 state (Pools.inDefault (PoolEvent.NameAdded spec))
        |> fun state -> step 11.0 state (found [ "10.0.0.1"; "10.0.0.2" ])
        |> fun state -> step 20.0 state (failed "a")
        |> fun state -> step 21.0 state (passed "a")
        |> fun state -> step 21.5 state (found [ "10.0.0.1"; "10.0.0.2"; "10.0.0.3" ])

    let tenths =
        Pool.backends resolved.Pools[PoolName.defaultPool]
        |> Array.map _.Tenths
        |> Array.toList

    // a, which came back, b, and the name's three.
    Assert.Equal<int list>([ 1; 10; 10; 10; 1 ], tenths)

[<Fact>]
let ``without a slow start all counts at once, also when it is taken out of the file midway`` () =
    let up =
        step 200.0 (step 100.0 (settled Strategy.WeightedRoundRobin) (failed "a")) (passed "a")

    let without = {
        settings Strategy.WeightedRoundRobin with
            SlowStart = TimeSpan.Zero
    }

    let after = step 201.0 up (Pools.inDefault (PoolEvent.SettingsSet without))
    Assert.Equal(10, tenths "a" after)
    let again = step 203.0 (step 202.0 after (failed "a")) (passed "a")
    Assert.Equal(10, tenths "a" again)

let private shares strategy seconds =
    let up = step 200.0 (step 100.0 (settled strategy) (failed "a")) (passed "a")
    let snapshot = Snapshot.next 1UL Snapshot.empty (step seconds up Event.Ticked)
    let view = snapshot.Pools[0]
    let counts = Array.zeroCreate<int> 2

    for _ in 1..13_000 do
        match Lease.take (Pools.demand []) view with
        | ValueSome target ->
            target.Gauge.Release()
            let index = Array.IndexOf(view.Available, target)
            counts[index] <- counts[index] + 1
        | ValueNone -> failwith "nothing was taken"

    float counts[0] / 13_000.0

[<Fact>]
let ``each strategy but those that hash gives a starting backend that much less`` () =
    for strategy in
        [
            Strategy.RoundRobin
            Strategy.WeightedRoundRobin
            Strategy.LeastConnections
            Strategy.Random
            Strategy.PowerOfTwoChoices
            Strategy.PeakEwma
        ] do
        let share = shares strategy 203.1
        // 3 tenths beside 10.
        Assert.InRange(share, 3.0 / 13.0 - 0.02, 3.0 / 13.0 + 0.02)
        Assert.InRange(shares strategy 300.0, 0.48, 0.52)

[<Fact>]
let ``a slow start never moves keys`` () =
    let up = step 200.0 (step 100.0 (settled Strategy.Hash) (failed "a")) (passed "a")

    let owners state =
        let view = (Snapshot.next 1UL Snapshot.empty state).Pools[0]

        [
            for key in 1UL .. 500UL do
                match
                    Balancer.pick
                        0UL
                        {
                            Pools.demand [] with
                                Key = SplitMix.bits key
                        }
                        view
                with
                | ValueSome choice -> choice.Target.Backend.Spec.Id
                | ValueNone -> failwith "nothing was picked"
        ]

    Assert.Equal<BackendId list>(owners (settled Strategy.Hash), owners up)

[<Fact>]
let ``tenths are never out of range, whatever happens`` () =
    Property.check (fun settings (slow: NonNegativeInt) (history: (Instant * PoolEvent) list) ->
        let settings = {
            settings with
                SlowStart = TimeSpan.FromMilliseconds(float slow.Get)
        }

        let pool =
            history
            |> List.fold
                (fun pool (now, event) -> Pool.evolve now pool event)
                (Pool.create PoolName.defaultPool settings)

        Pool.backends pool
        |> Array.forall (fun backend -> backend.Tenths >= 1 && backend.Tenths <= 10))

[<Fact>]
let ``beside backends of large weights too, a small one starts with a tenth`` () =
    for strategy in
        [
            Strategy.LeastConnections
            Strategy.Random
            Strategy.PowerOfTwoChoices
            Strategy.PeakEwma
        ] do
        let state =
            List.fold (State.evolve (at 0.0)) State.empty [
                Event.PoolCreated(PoolName.defaultPool, settings strategy)
                Pools.inDefault (PoolEvent.Added(Make.spec "http://a:1;id=a;weight=1"))
                for number in 1..40 do
                    Pools.inDefault (PoolEvent.Added(Make.spec $"http://b{number}:1;id=b{number};weight=256"))
                Pools.inDefault PoolEvent.Settled
            ]

        let up = step 200.0 (step 100.0 state (failed "a")) (passed "a")
        let view = (Snapshot.next 1UL Snapshot.empty up).Pools[0]
        Assert.Equal<int[]>(Array.append [| 1 |] (Array.create 40 2560), view.Weights)
