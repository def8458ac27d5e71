module Conduit.Tests.WaitingLineTests

open System
open FsCheck
open Xunit
open Conduit

let private join (line: WaitingLine) =
    match line.TryJoin 1000 with
    | null -> failwith "the line is full"
    | waiter -> waiter

let private called (waiter: Waiter) = waiter.Called.IsCompleted

[<Fact>]
let ``no more wait than may`` () =
    Property.check (fun (NonNegativeInt most) ->
        let line = WaitingLine()

        let joined =
            [ for _ in 0 .. most + 1 -> line.TryJoin most ] |> List.filter (isNull >> not)

        joined.Length = most && line.Count = most)

[<Fact>]
let ``a place calls the one that came first, and who leaves calls the next`` () =
    let line = WaitingLine()
    let first, second, third = join line, join line, join line
    line.CallHead()
    Assert.True(called first)
    Assert.False(called second)
    line.Leave first
    Assert.True(called second)
    Assert.False(called third)
    Assert.Equal(2, line.Count)

[<Fact>]
let ``who leaves from anywhere in the line leaves the order of the others, and once only`` () =
    let line = WaitingLine()
    let first, second, third = join line, join line, join line
    line.Leave second
    line.Leave second
    Assert.Equal(2, line.Count)
    line.Leave first
    Assert.True(called third)
    line.Leave third
    Assert.Equal(0, line.Count)

[<Fact>]
let ``a call that comes between the look and the wait is not missed`` () =
    let line = WaitingLine()
    let waiter = join line
    waiter.Rearm()
    // Here it would look, in vain.
    line.CallHead()
    Assert.True(called waiter)
    waiter.Rearm()
    Assert.False(called waiter)

[<Fact>]
let ``a change of the backends calls all`` () =
    let line = WaitingLine()
    let waiters = List.init 5 (fun _ -> join line)
    line.CallAll()
    Assert.True(List.forall called waiters)

let private withLimit most (view: PoolView) =
    let settings = {
        view.Source.Settings with
            Limit =
                Some {
                    Most = most
                    QueueLength = 0
                    QueueTimeout = TimeSpan.FromSeconds 1.0
                }
    }

    let state =
        Pools.fold
            {
                State.empty with
                    Pools = Map.ofList [ PoolName.defaultPool, view.Source ]
            }
            [ Pools.inDefault (PoolEvent.SettingsSet settings) ]

    (Snapshot.next 0UL Snapshot.empty state).Pools[0]

let private limited strategy most members =
    withLimit most (Pools.view strategy 0UL members)

[<Fact>]
let ``no backend gets more than its limit, whatever strategy chooses, and every place is used`` () =
    Property.check (fun strategy (PositiveInt most) (members: Member list) ->
        let most = 1 + most % 5

        let view =
            limited strategy most (members |> List.map (fun each -> { each with Load = 0 }))

        let places = most * view.Available.Length
        let taken = [ for _ in 1 .. places + 3 -> Lease.take (Pools.demand []) view ]

        let isFull =
            view.Available |> Array.forall (fun target -> target.Gauge.InFlight = most)

        for target in taken do
            target
            |> ValueOption.iter (Lease.settle ignore (Outcome.Answered 200) TimeSpan.Zero)

        isFull
        && (taken |> List.filter _.IsSome |> List.length) = places
        && view.Targets |> Array.forall (fun target -> target.Gauge.InFlight = 0))

[<Fact>]
let ``a place that is given back calls who waits`` () =
    let view = limited Strategy.RoundRobin 1 [ Pools.idle Weight.one ]
    let taken = Lease.take (Pools.demand []) view

    match view.Line with
    | null -> failwith "there is no line"
    | line ->
        let waiter = join line
        Assert.Equal(ValueNone, Lease.take (Pools.demand []) view)
        Assert.False(called waiter)
        taken |> ValueOption.iter (Lease.settle ignore Outcome.ClientGone TimeSpan.Zero)
        Assert.True(called waiter)
        Assert.True((Lease.take (Pools.demand []) view).IsSome)

/// Few enough for a choice to be made again until each has been looked at.
let private few (first: Weight) rest =
    first :: List.truncate 7 rest |> List.map Pools.idle

[<Fact>]
let ``least connections takes the lightest of those that have room`` () =
    Property.check (fun (PositiveInt most) first rest ->
        let most = 1 + most % 5
        let view = limited Strategy.LeastConnections most (few first rest)

        Seq.init (most * view.Targets.Length) (fun _ ->
            let loads = view.Targets |> Array.map _.Gauge.InFlight

            match Lease.take (Pools.demand []) view with
            | ValueNone -> false
            | ValueSome target ->
                let own = loads[Array.IndexOf(view.Targets, target)]

                (view.Targets, loads)
                ||> Array.forall2 (fun other load ->
                    load = most || own * Pools.weightOf other <= load * Pools.weightOf target))
        |> Seq.forall id)

[<Fact>]
let ``a key whose backend is full goes to the next in the key's own order`` () =
    Property.checkFew (fun first rest (key: uint64) ->
        let hash = {
            PoolSettings.defaults.Hash with
                BalanceFactor = 0
        }

        let view = withLimit 1 (Pools.hashed hash (few first rest))
        let demand tried = { Pools.demand tried with Key = key }

        (true, view.Targets)
        ||> Array.fold (fun isRight _ ->
            let full =
                view.Targets
                |> Array.filter (fun target -> target.Gauge.InFlight > 0)
                |> Array.map _.Gauge
                |> List.ofArray

            match Balancer.pick 0UL (demand full) view, Lease.take (demand []) view with
            | ValueSome choice, ValueSome target -> isRight && obj.ReferenceEquals(choice.Target, target)
            | _ -> false))

[<Fact>]
let ``what a full backend does not take is shared evenly among the others`` () =
    for strategy in [ Strategy.RoundRobin; Strategy.Random; Strategy.PowerOfTwoChoices ] do
        let view = limited strategy 1_000 (List.replicate 4 (Pools.idle Weight.one))

        for _ in 1..1_000 do
            view.Targets[0].Gauge.Acquire()

        let counts = Array.zeroCreate<int> 4

        for _ in 1..900 do
            match Lease.take (Pools.demand []) view with
            | ValueSome target ->
                let index = Array.IndexOf(view.Targets, target)
                counts[index] <- counts[index] + 1
                target.Gauge.Release()
            | ValueNone -> failwith "nothing was taken"

        for count in counts[1..] do
            Assert.InRange(count, 200, 400)
