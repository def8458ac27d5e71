module Conduit.Tests.BalancerTests

open System
open FsCheck
open Xunit
open Conduit

let private weights (view: PoolView) =
    view.Available |> Array.map Pools.weightOf

let private idle (each: Member) = Pools.idle each.Weight

[<Fact>]
let ``every strategy picks only available backends, and nothing when there is none`` () =
    Property.check (fun strategy seed turn (members: Member list) ->
        let view = Pools.view strategy seed members

        match Balancer.pick turn (Pools.demand (Pools.tried members view)) view with
        | ValueNone -> members |> List.forall (fun each -> not each.Available)
        | ValueSome choice ->
            Backend.isAvailable choice.Target.Backend
            && Array.contains choice.Target view.Targets)

[<Fact>]
let ``nothing is picked of a pool that is empty or wholly out`` () =
    for strategy in Strategy.all do
        let out = {
            Pools.idle Weight.one with
                Available = false
        }

        Assert.True((Balancer.pick 0UL (Pools.demand []) (Pools.view strategy 0UL [])).IsNone)
        Assert.True((Balancer.pick 0UL (Pools.demand []) (Pools.view strategy 0UL [ out; out ])).IsNone)

[<Fact>]
let ``no strategy picks a tried backend while another is available`` () =
    Property.check (fun strategy seed turn (members: Member list) ->
        let view = Pools.view strategy seed members
        let tried = Pools.tried members view

        let isTried (target: Target) =
            List.exists (fun gauge -> obj.ReferenceEquals(gauge, target.Gauge)) tried

        match Balancer.pick turn (Pools.demand tried) view with
        | ValueSome choice when isTried choice.Target -> Array.forall isTried view.Available
        | _ -> true)

[<Fact>]
let ``a choice depends on the turn alone and touches no gauge`` () =
    Property.check (fun strategy seed turn (members: Member list) ->
        let view = Pools.view strategy seed members
        let tried = Pools.tried members view
        let first = Balancer.pick turn (Pools.demand tried) view
        let second = Balancer.pick turn (Pools.demand tried) view

        (match first, second with
         | ValueSome a, ValueSome b -> obj.ReferenceEquals(a.Target, b.Target) && a.Seen = b.Seen
         | a, b -> a.IsNone && b.IsNone)
        && (view.Targets, List.toArray members)
           ||> Array.forall2 (fun target each -> target.Gauge.InFlight = each.Load))

[<Fact>]
let ``round robin's counts differ by at most one after any run`` () =
    Property.check (fun (start: uint32) (PositiveInt run) (members: Member list) ->
        let view = Pools.view Strategy.RoundRobin 0UL members

        view.Available.Length = 0
        || (let counts = Pools.counts (uint64 start) (run * 7) view
            Array.max counts - Array.min counts <= 1))

[<Fact>]
let ``weighted shares are exact over one cycle, wherever it begins`` () =
    Property.check (fun (start: uint32) (members: Member list) ->
        let view = Pools.view Strategy.WeightedRoundRobin 0UL members
        let weights = weights view

        Pools.counts (uint64 start) (Array.sum weights) view = weights)

[<Fact>]
let ``least connections never picks a backend with more load for its weight than another`` () =
    Property.check (fun seed turn (members: Member list) ->
        let view = Pools.view Strategy.LeastConnections seed members
        let tried = Pools.tried members view

        match Balancer.pick turn (Pools.demand tried) view with
        | ValueNone -> true
        | ValueSome choice ->
            let free =
                view.Available
                |> Array.filter (fun each -> not (List.contains each.Gauge tried))

            choice.Seen = choice.Target.Gauge.InFlight
            && free |> Array.forall (fun other -> not (Pools.isBusier choice.Target other)))

[<Fact>]
let ``least connections gives idle backends turns by their weights, wherever one begins to count`` () =
    Property.check (fun (start: byte) (members: Member list) ->
        let view = Pools.view Strategy.LeastConnections 0UL (List.map idle members)
        let total = Array.sum view.Weights

        let next () =
            match Lease.take (Pools.demand []) view with
            | ValueSome target ->
                target.Gauge.Release()
                Array.IndexOf(view.Available, target)
            | ValueNone -> failwith "nothing was taken"

        view.Available.Length = 0
        || (for _ in 1 .. int start do
                next () |> ignore

            let counts = Array.zeroCreate<int> view.Available.Length

            for _ in 1..total do
                let index = next ()
                counts[index] <- counts[index] + 1

            (counts, view.Weights)
            ||> Array.forall2 (fun count weight -> abs (count - weight) <= 1)))

[<Fact>]
let ``of two backends power of two choices never picks the busier`` () =
    Property.check (fun seed turn (a: Member) (b: Member) ->
        let members = [ { a with Available = true }; { b with Available = true } ]
        let view = Pools.view Strategy.PowerOfTwoChoices seed members
        let picked = Pools.pick turn [] view
        view.Available |> Array.forall (fun other -> not (Pools.isBusier picked other)))

[<Fact>]
let ``of more than one backend power of two choices never picks the one busiest of all`` () =
    Property.check (fun seed turn (members: Member list) ->
        let view = Pools.view Strategy.PowerOfTwoChoices seed members

        view.Available.Length < 2
        || (let picked = Pools.pick turn [] view

            view.Available
            |> Array.exists (fun other ->
                not (obj.ReferenceEquals(other, picked)) && not (Pools.isBusier picked other))))

[<Fact>]
let ``choosing allocates nothing`` () =
    for strategy in Strategy.all do
        let members = [ for weight in 1..5 -> Pools.idle (Make.weight weight) ]
        let view = Pools.view strategy 1UL members
        let tried = [ view.Targets[0].Gauge; view.Targets[2].Gauge ]

        // Times that are too far apart to be taken for equal.
        for index, target in Seq.indexed view.Targets do
            target.Gauge.Paced(Pools.now, TimeSpan.FromMilliseconds(4.0 ** float index), false)

        let turns = 20_000

        let run () =
            for turn in 1..turns do
                Balancer.pick (uint64 turn) (Pools.demand tried) view |> ignore

        run ()
        let before = GC.GetAllocatedBytesForCurrentThread()
        run ()
        let allocated = GC.GetAllocatedBytesForCurrentThread() - before
        // One object for each choice would be 24 bytes at the least.
        Assert.True(
            allocated < int64 turns,
            $"{Strategy.name strategy}: {allocated} bytes for {turns} choices"
        )
