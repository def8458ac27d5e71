module Conduit.Tests.KeyMapTests

open System
open FsCheck
open FsCheck.FSharp
open Xunit
open Conduit

let private keys = [| for key in 1..4000 -> StableHash.ofName 7UL $"/users/{key}" |]

let private names count = [| for number in 1..count -> $"10.0.0.{number}:8081" |]

let private owner table (members: (string * int)[]) =
    let map = KeyMap.ofMembers table members
    fun key -> fst members[KeyMap.owner key (KeyMap.locate key map) 0 map]

let private tables = Arb.fromGen (Gen.elements [ HashTable.Maglev; HashTable.Ring ])

/// So many members, and the one of them that leaves.
let private leaving = gen {
    let! count = Gen.choose (2, 40)
    let! gone = Gen.choose (0, count - 1)
    return count, gone
}

/// Members of one weight or of any, and the one of them that leaves.
let private leavingOf members = gen {
    let! count, gone = members
    let! start = Gen.choose (0, 1_000_000)

    let! weights =
        Gen.oneof [
            Gen.constant (List.replicate count 1)
            Gen.listOfLength count (Gen.choose (1, 256))
        ]

    let members =
        weights
        |> List.mapi (fun number weight -> $"backend-{start + number}:8081", weight)
        |> List.toArray

    return members, gone
}

let private anyLeaving = leavingOf leaving

/// The parts of what there is that belonged to the one that left, and that changed hands among the others.
let private moved gone (before: string[]) (after: string[]) =
    Assert.DoesNotContain(gone, after)
    let part count = float count / float before.Length
    let own = before |> Seq.filter ((=) gone) |> Seq.length

    let others =
        Seq.zip before after
        |> Seq.filter (fun (owner, next) -> owner <> gone && owner <> next)
        |> Seq.length

    part own, part others

[<Fact>]
let ``when one of N leaves, of a Maglev table its share moves, and of the rest at most 2 in a hundred`` () =
    Property.check (
        Prop.forAll (Arb.fromGen anyLeaving) (fun (members, gone) ->
            let owners members =
                Maglev.ofMembers members
                |> Array.map (fun index -> fst (Array.item index members))

            let own, others =
                moved (fst members[gone]) (owners members) (owners (Array.removeAt gone members))

            let share = float (snd members[gone]) / float (Array.sumBy snd members)
            Assert.InRange(others, 0.0, 0.02)
            Assert.InRange(own + others, 0.0, share + 0.02))
    )

let private total members = Array.sumBy snd members

/// The points of a ring for each unit of weight, as long as there are not too many in all.
let private pointsEach members =
    if total members <= 64 then 8192 else 256

/// Of small weights, and one that leaves without making a large ring a small one. Half of them are two, where
/// chance has most to say.
let private lightLeaving =
    Gen.oneof [ anyLeaving; leavingOf (Gen.constant (2, 0)) ]
    |> Gen.map (fun (members, gone) ->
        members |> Array.map (fun (name, weight) -> name, 1 + weight % 3), gone)
    |> Gen.where (fun (members, gone) -> pointsEach members = pointsEach (Array.removeAt gone members))

/// So evenly spread that the keys of a member are its part of the ring.
let private even = [| for place in 0UL .. 65_535UL -> place <<< 48 |]

[<Fact>]
let ``when one of N leaves, on a ring its share moves, give or take 2 in a hundred, and no other key`` () =
    Property.checkFew (
        Prop.forAll (Arb.fromGen lightLeaving) (fun (members, gone) ->
            let owners members =
                Array.map (owner HashTable.Ring members) even

            let own, others =
                moved (fst members[gone]) (owners members) (owners (Array.removeAt gone members))

            let share = float (snd members[gone]) / float (total members)
            Assert.Equal(0.0, others)
            Assert.InRange(own, share - 0.02, share + 0.02))
    )

[<Fact>]
let ``on a ring a key belongs to the first point that is not before it, and behind the last to the first``
    ()
    =
    Property.checkFew (
        Prop.forAll (Arb.fromGen lightLeaving) (fun (members, _) ->
            // Few of the rings that are fine, and all of those that are coarse.
            let members =
                if total members > 64 then
                    members
                else
                    Array.truncate 3 members

            let each = pointsEach members

            let points =
                [|
                    for name, weight in members do
                        for number in 0 .. each * weight - 1 do
                            SplitMix.bits (StableHash.ofName 0UL name + uint64 number), name
                |]
                |> Array.sortBy fst

            let found = owner HashTable.Ring members

            for key in Seq.append [ 0UL; fst points[0]; UInt64.MaxValue ] (Seq.truncate 50 keys) do
                let expected =
                    points
                    |> Array.tryFind (fun (point, _) -> point >= key)
                    |> Option.defaultValue points[0]

                Assert.Equal(snd expected, found key))
    )

[<Fact>]
let ``a map depends on names and weights, and not on their order`` () =
    Property.checkFew (
        Prop.forAll tables (fun table ->
            Prop.forAll (Arb.fromGen (Gen.choose (1, 20))) (fun count ->
                let members = names count |> Array.mapi (fun i name -> name, 1 + i % 3)
                let one, other = owner table members, owner table (Array.rev members)
                keys |> Array.forall (fun key -> one key = other key)))
    )

[<Fact>]
let ``shares follow weights: in a Maglev table to some slots, on a ring within a third`` () =
    Property.checkFew (fun (first: Weight) (rest: Weight list) ->
        let weights = first :: List.truncate 9 rest |> List.map Weight.value |> List.toArray
        let members = Array.zip (names weights.Length) weights
        let total = float (Array.sum weights)
        let owners = Maglev.ofMembers members
        let ring = KeyMap.ofMembers HashTable.Ring members
        let many = [| for position in 1UL .. 40_000UL -> SplitMix.bits position |]

        let onRing =
            many
            |> Array.countBy (fun key -> KeyMap.owner key (KeyMap.locate key ring) 0 ring)
            |> dict

        for index in 0 .. weights.Length - 1 do
            let share = float weights[index] / total
            let slots = owners |> Array.filter ((=) index) |> Array.length
            let ideal = share * float Maglev.slots
            // A turn begun is not ended for all.
            let odd = float (weights.Length + 1)
            Assert.InRange(float slots, ideal - odd, ideal + odd)

            let found =
                match onRing.TryGetValue index with
                | true, count -> float count
                | _ -> 0.0

            let expected = share * float many.Length
            // Five standard deviations of the draw, and what a weight of one on a ring varies by.
            let slack = 5.0 * sqrt expected + expected / 3.0
            Assert.InRange(found, expected - slack, expected + slack))

/// These must never change: other processes, and other versions, must agree.
[<Fact>]
let ``the map is the same in every process and version`` () =
    let members = names 5 |> Array.mapi (fun i name -> name, i + 1)

    let first table =
        let owner = owner table members

        [
            for key in Array.truncate 12 keys ->
                owner key |> Seq.findIndexBack ((=) '.') |> fun at -> (owner key)[at + 1]
        ]
        |> List.map string
        |> String.concat ""

    Assert.Equal("353545454535 445542331243", first HashTable.Maglev + " " + first HashTable.Ring)

let private view hash members = Pools.hashed hash members

let private taking key tried view =
    Lease.take { Pools.demand tried with Key = key } view

let private settings = PoolSettings.defaults.Hash

[<Fact>]
let ``when a backend is out only its own keys go elsewhere, and they come back with it`` () =
    Property.checkFew (
        Prop.forAll tables (fun table ->
            Prop.forAll (Arb.fromGen leaving) (fun (count, gone) ->
                let hash = {
                    settings with
                        Table = table
                        BalanceFactor = 0
                }

                let all = List.replicate count (Pools.idle Weight.one)

                let without = all |> List.mapi (fun i each -> { each with Available = i <> gone })

                let owner members =
                    let view = view hash members

                    fun key ->
                        match Balancer.pick 0UL { Pools.demand [] with Key = key } view with
                        | ValueSome choice -> choice.Target.Backend.Spec.Id
                        | ValueNone -> failwith "nothing was picked"

                let before, during = owner all, owner without
                let id = Make.backendId (string gone)

                for key in keys do
                    if before key = id then
                        Assert.NotEqual(id, during key)
                    else
                        Assert.Equal(before key, during key)))
    )

/// Takes places for keys, of which some are asked for much more often than others, and gives some back.
let private takeMany (view: PoolView) steps check =
    let mutable held: Target list = []

    for step in 1..steps do
        let chance = SplitMix.bits (uint64 step)

        if chance % 3UL = 0UL && not held.IsEmpty then
            held.Head.Gauge.Release()
            held <- held.Tail
        else
            let key = keys[int (chance % 7UL)]

            match taking key [] view with
            | ValueSome target ->
                held <- target :: held
                check target
            | ValueNone -> failwith "nothing was taken"

[<Fact>]
let ``with bounded load no backend ever takes more than the factor of its share, rounded up`` () =
    Property.checkFew (
        Prop.forAll tables (fun table ->
            Prop.forAll (Arb.fromGen (Gen.elements [ 100; 125; 200 ])) (fun factor ->
                fun (first: Weight) (rest: Weight list) ->
                    let hash = {
                        settings with
                            Table = table
                            BalanceFactor = factor
                    }

                    let view = view hash (first :: List.truncate 20 rest |> List.map Pools.idle)

                    let total = view.Weights |> Array.sumBy float

                    takeMany view 400 (fun target ->
                        let all = view.Targets |> Array.sumBy _.Gauge.InFlight
                        let share = float (Pools.weightOf target) / total
                        let bound = ceil (float factor / 100.0 * float all * share - 1e-9)
                        Assert.InRange(float target.Gauge.InFlight, 0.0, bound))))
    )

[<Fact>]
let ``without a bound all requests of a key go to one backend, and what a bound sends on is what is too much``
    ()
    =
    let members = List.replicate 5 (Pools.idle Weight.one)
    let hot = keys[0]

    let counts factor =
        let view = view { settings with BalanceFactor = factor } members

        for _ in 1..100 do
            taking hot [] view |> ignore

        view.Targets |> Array.map _.Gauge.InFlight |> Array.sortDescending

    Assert.Equal<int[]>([| 100; 0; 0; 0; 0 |], counts 0)
    // 125 % of 100 / 5.
    Assert.Equal(25, (counts 125)[0])
    Assert.Equal(40, (counts 200)[0])

[<Fact>]
let ``a key that was tried at its backend goes to the next one`` () =
    let view = view settings (List.replicate 5 (Pools.idle Weight.one))

    for key in Array.truncate 100 keys do
        match taking key [] view with
        | ValueNone -> failwith "nothing was taken"
        | ValueSome first ->
            match taking key [ first.Gauge ] view with
            | ValueSome second -> Assert.NotSame(first.Gauge, second.Gauge)
            | ValueNone -> failwith "nothing was taken"

            for target in view.Targets do
                while target.Gauge.InFlight > 0 do
                    target.Gauge.Release()
