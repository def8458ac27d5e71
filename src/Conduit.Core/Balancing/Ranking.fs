namespace Conduit

open System

/// IMPURE: gauges in the order of their load for their weight: a binary heap under a lock that is held for
/// some tens of nanoseconds. Each change of a gauge costs at most the logarithm of their number, and so does
/// finding the lightest. Of equally loaded ones the one is first whose turn it is by weight: stride
/// scheduling (Waldspurger, Weihl, 1995).
[<Sealed>]
type Ranking private (gauges: Gauge[], weights: int[]) =

    /// What the turn of a backend of weight 1 costs it.
    static let stride = 1L <<< 20

    let gate = obj ()
    let count = gauges.Length
    /// Indices of gauges: none is after its parent, which is at half its place.
    let heap = Array.init count id
    let places = Array.init count id
    /// The loads that the order rests on.
    let loads = Array.zeroCreate<int> count
    let turns = Array.zeroCreate<int64> count

    let isBefore a b =
        // The same as load / weight, without division.
        let loadOfA = int64 loads[a] * int64 weights[b]
        let loadOfB = int64 loads[b] * int64 weights[a]

        loadOfA < loadOfB
        || (loadOfA = loadOfB && (turns[a] < turns[b] || (turns[a] = turns[b] && a < b)))

    let put index place =
        heap[place] <- index
        places[index] <- place

    let rise index =
        let mutable place = places[index]
        let mutable going = place > 0

        while going do
            let parent = (place - 1) / 2

            if isBefore index heap[parent] then
                put heap[parent] place
                place <- parent
                going <- place > 0
            else
                going <- false

        put index place

    let sink index =
        let mutable place = places[index]
        let mutable going = true

        while going do
            let left = 2 * place + 1

            let child =
                if left + 1 < count && isBefore heap[left + 1] heap[left] then
                    left + 1
                else
                    left

            if child < count && isBefore heap[child] index then
                put heap[child] place
                place <- child
            else
                going <- false

        put index place

    /// Brings the order up to date with a gauge, and says whether it was.
    let settle index =
        let load = gauges[index].InFlight
        let before = loads[index]

        if load > before then
            loads[index] <- load
            turns[index] <- turns[index] + stride / int64 weights[index]
            sink index
        elif load < before then
            loads[index] <- load
            rise index

        load = before

    /// The first in the order, at `place` or below it, that was not tried; -1 for none.
    let rec first (tried: Gauge list) place =
        if place >= count then
            -1
        elif not (Gauge.isAmong tried gauges[heap[place]]) then
            heap[place]
        else
            let left = first tried (2 * place + 1)
            let right = first tried (2 * place + 2)

            if left < 0 || (right >= 0 && isBefore right left) then
                right
            else
                left

    /// The index of the lightest gauge of those that were not tried, or else of all, and the load by which it
    /// is the lightest. There must be one.
    member _.Lightest(tried: Gauge list) : struct (int * int) =
        lock gate (fun () ->
            let mutable best = -1

            while best < 0 do
                let found =
                    match first tried 0 with
                    | -1 -> heap[0]
                    | untried -> untried

                if settle found then
                    best <- found

            struct (best, loads[best]))

    member private _.Moved index =
        lock gate (fun () -> settle index |> ignore)

    /// The ranking of these gauges with their weights, each at least 1. They tell it of their changes from now
    /// on, and no other.
    static member Over(gauges: Gauge[], weights: int[]) =
        let ranking = Ranking(gauges, weights)

        gauges
        |> Array.iteri (fun index gauge ->
            gauge.Watch(Action(fun () -> ranking.Moved index))
            // What happened before that is made up for.
            ranking.Moved index)

        ranking
