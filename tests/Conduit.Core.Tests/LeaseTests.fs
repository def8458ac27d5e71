module Conduit.Tests.LeaseTests

open System
open System.Threading
open System.Threading.Tasks
open FsCheck
open Xunit
open Conduit

let private threads = 4

let private took = TimeSpan.FromMilliseconds 1.0

/// Runs `work` on four threads that begin together.
let private together (work: int -> unit) =
    use start = new Barrier(threads)

    [|
        for number in 1..threads ->
            Task.Factory.StartNew(
                (fun () ->
                    start.SignalAndWait()
                    work number),
                TaskCreationOptions.LongRunning
            )
    |]
    |> Task.WaitAll

let private take tried view =
    match Lease.take (Pools.demand tried) view with
    | ValueSome target -> target
    | ValueNone -> failwith "nothing was taken"

let private ignorePost (_: Event) = ()

let private anyAvailable = List.exists (fun (each: Member) -> each.Available)

[<Fact>]
let ``a lease is one more in flight where it was taken, and one less when it is settled`` () =
    Property.check (fun strategy seed (members: Member list) outcome ->
        let view = Pools.view strategy seed members

        let loads () =
            view.Targets |> Array.map _.Gauge.InFlight

        let before = loads ()

        match Lease.take (Pools.demand (Pools.tried members view)) view with
        | ValueNone -> not (anyAvailable members) && loads () = before
        | ValueSome target ->
            let index = Array.IndexOf(view.Targets, target)
            let isOneMore = loads () = Array.updateAt index (before[index] + 1) before
            Lease.settle ignorePost outcome took target
            isOneMore && loads () = before)

[<Fact>]
let ``only failures and the success that ends a streak are posted`` () =
    Property.check (fun (outcomes: Outcome list) ->
        let view = Pools.view Strategy.RoundRobin 0UL [ Pools.idle Weight.one ]
        let posted = ResizeArray<Event>()

        for outcome in outcomes do
            take [] view |> Lease.settle posted.Add outcome took

        let news evidence =
            Pools.inDefault (PoolEvent.Traffic(Make.backendId "0", 0, evidence))

        let expected =
            ((false, []), outcomes)
            ||> List.fold (fun (inStreak, posts) outcome ->
                match outcome with
                | Outcome.ConnectFailed _
                | Outcome.Reset _
                | Outcome.Garbled _
                | Outcome.TimedOut _
                | Outcome.Truncated _ -> true, news (Evidence.Failed(Outcome.describe outcome)) :: posts
                | Outcome.Answered _
                | Outcome.Declined _ when inStreak -> false, news Evidence.Passed :: posts
                | _ -> inStreak, posts)
            |> snd
            |> List.rev

        let gauge = view.Targets[0].Gauge

        List.ofSeq posted = expected
        && gauge.InFlight = 0
        && gauge.Requests = int64 outcomes.Length
        && gauge.Failures = int64 (outcomes |> List.filter Outcome.countsAgainstBackend |> List.length))

[<Fact>]
let ``news carries the epoch that the request began in`` () =
    let settings = Make.settings Strategy.RoundRobin { Rise = 1; Fall = 1 }
    let id = Make.backendId "a"

    let state =
        Pools.fold State.empty [
            Event.PoolCreated(PoolName.defaultPool, settings)
            Pools.inDefault (PoolEvent.Added(Make.spec "http://h;id=a"))
            Pools.inDefault (PoolEvent.Checked(id, Some "refused"))
            Pools.inDefault (PoolEvent.Checked(id, None))
        ]

    let posted = ResizeArray<Event>()
    let view = (Snapshot.next 0UL Snapshot.empty state).Pools[0]
    take [] view |> Lease.settle posted.Add (Outcome.Reset "reset") took

    Assert.Equal<Event list>(
        [
            Pools.inDefault (
                PoolEvent.Traffic(id, 2, Evidence.Failed(Outcome.describe (Outcome.Reset "reset")))
            )
        ],
        List.ofSeq posted
    )

[<Fact>]
let ``successive leases take successive turns`` () =
    Property.check (fun (PositiveInt run) (members: Member list) ->
        let view =
            Pools.view Strategy.RoundRobin 0UL (List.map (fun each -> { each with Load = 0 }) members)

        for _ in 1..run do
            Lease.take (Pools.demand []) view |> ignore

        let counts = view.Available |> Array.map _.Gauge.InFlight

        counts.Length = 0
        || (Array.sum counts = run && Array.max counts - Array.min counts <= 1))

[<Fact>]
let ``leases taken and settled by four threads at once all come back`` () =
    Property.checkFew (fun strategy seed (first: Weight) (rest: Weight list) ->
        let view = Pools.view strategy seed (first :: rest |> List.map Pools.idle)
        let each = 500

        together (fun number ->
            for step in 1..each do
                let target = take [] view

                let outcome =
                    if (step + number) % 3 = 0 then
                        Outcome.Reset "reset"
                    else
                        Outcome.Answered 200

                Lease.settle ignorePost outcome took target)

        let gauges = view.Targets |> Array.map _.Gauge

        gauges |> Array.forall (fun gauge -> gauge.InFlight = 0)
        && gauges |> Array.sumBy _.Requests = int64 (threads * each))

[<Fact>]
let ``four threads at once never take a place on a backend with more load for its weight than another`` () =
    Property.checkFew (fun (first: Weight) (rest: Weight list) ->
        let view =
            Pools.view Strategy.LeastConnections 0UL (first :: rest |> List.map Pools.idle)

        let each = 500

        together (fun _ ->
            for _ in 1..each do
                take [] view |> ignore)

        // Nothing was given back, so loads only rose: before its last lease no backend had more load
        // for its weight than any other has at the end.
        let targets = view.Targets

        targets |> Array.sumBy _.Gauge.InFlight = threads * each
        && targets
           |> Array.forall (fun a ->
               a.Gauge.InFlight = 0
               || targets
                  |> Array.forall (fun b ->
                      (a.Gauge.InFlight - 1) * Pools.weightOf b <= b.Gauge.InFlight * Pools.weightOf a)))

[<Fact>]
let ``four threads at once share round robin's turns evenly`` () =
    Property.checkFew (fun (first: Weight) (rest: Weight list) ->
        let view = Pools.view Strategy.RoundRobin 0UL (first :: rest |> List.map Pools.idle)
        let each = 501

        together (fun _ ->
            for _ in 1..each do
                take [] view |> ignore)

        let counts = view.Targets |> Array.map _.Gauge.InFlight
        Array.sum counts = threads * each && Array.max counts - Array.min counts <= 1)

[<Fact>]
let ``latency counts answers, but not tunnels and not failures`` () =
    let view = Pools.view Strategy.RoundRobin 0UL [ Pools.idle Weight.one ]

    for outcome in
        [
            Outcome.Answered 200
            Outcome.Answered 101
            Outcome.ClientGone
            Outcome.Reset "reset"
        ] do
        take [] view |> Lease.settle ignorePost outcome took

    let counts = view.Targets[0].Gauge.Latency.Read()
    Assert.Equal(1L, Array.sum counts)
    Assert.Equal(1L, counts[Buckets.indexOf took])
