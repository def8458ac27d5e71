namespace Conduit

open System.Collections.Generic

/// What a choice depends on besides the pool.
[<Struct; NoEquality; NoComparison>]
type Demand = {
    Now: Instant
    /// The hash of what the pool's strategy goes by, where it hashes.
    Key: uint64
    /// Where the request has been before.
    Tried: Gauge list
}

/// A choice among the available targets of a pool.
[<Struct; NoEquality; NoComparison>]
type Choice = {
    Target: Target
    /// The requests in flight that the choice rests on, or -1 when it does not rest on them.
    Seen: int
}

/// Choosing a backend, by a pool's view, a turn's number, what is asked for, and the gauges as they stand.
/// Nothing here allocates.
[<RequireQualifiedAccess>]
module Balancer =

    /// Whether the target's gauge is among those tried.
    let wasTried (tried: Gauge list) (target: Target) = Gauge.isAmong tried target.Gauge

    /// The first target at `index` or after it, going round, that was not tried.
    let private untried (tried: Gauge list) (available: Target[]) index =
        let mutable at = index
        let mutable left = available.Length

        while left > 0 && wasTried tried available[at] do
            at <- if at + 1 = available.Length then 0 else at + 1
            left <- left - 1

        at

    /// Two distinct indices by chance, the first of them not tried; the same one twice where there is no
    /// other.
    let private two tried (available: Target[]) table bits : struct (int * int) =
        let count = available.Length
        let first = untried tried available (AliasTable.draw bits table)
        let draw = SplitMix.bits bits
        let second = AliasTable.draw draw table

        if second <> first || count = 1 then
            struct (first, second)
        else
            // Of fresh bits: those of a draw that hit `first` are no longer even.
            struct (first, (first + 1 + SplitMix.below (count - 1) (uint32 (SplitMix.bits draw))) % count)

    /// The lighter of two by chance, the first of equals.
    let private lighterOfTwo tried (pool: PoolView) table bits =
        let struct (first, second) = two tried pool.Available table bits
        let a, b = pool.Available[first], pool.Available[second]
        // The same as load / weight, without division.
        let loadOfA = int64 a.Gauge.InFlight * int64 pool.Weights[second]
        let loadOfB = int64 b.Gauge.InFlight * int64 pool.Weights[first]
        if loadOfB < loadOfA && not (wasTried tried b) then b else a

    /// Of two by chance the one with the shorter time to an answer, times what is in flight and this request,
    /// for its weight; the first of equals. Of two that are idle and equally fast, the request at hand would speak
    /// for the heavier one always: there the draw decides, which goes by weight already.
    let private soonerOfTwo now tried (pool: PoolView) table bits =
        let struct (first, second) = two tried pool.Available table bits
        let a, b = pool.Available[first], pool.Available[second]
        let struct (timeOfA, timeOfB) = Pace.compared now a.Gauge.Pace b.Gauge.Pace
        let loadOfA, loadOfB = a.Gauge.InFlight, b.Gauge.InFlight
        let own = if loadOfA + loadOfB = 0 && timeOfA = timeOfB then 0 else 1
        let costOfA = timeOfA * float (loadOfA + own) * float pool.Weights[second]
        let costOfB = timeOfB * float (loadOfB + own) * float pool.Weights[first]
        if costOfB < costOfA && not (wasTried tried b) then b else a

    /// Places of a key that are looked at before any that is free will do.
    let private mostProbes = 64

    /// Whether one more request keeps a member within its bound: at most its share of all that is in flight,
    /// times the balance factor, rounded up.
    let private hasRoom (keyed: Keyed) inFlight share load =
        keyed.BalanceFactor = 0
        || 100L * int64 load * keyed.Total < int64 keyed.BalanceFactor * int64 (inFlight + 1) * int64 share

    /// One that has room, of those that were not tried, or else any of those.
    let private anyWithRoom (demand: Demand) (pool: PoolView) (keyed: Keyed) inFlight : Choice =
        let available = pool.Available
        let start = int (SplitMix.bits demand.Key % uint64 available.Length)
        let mutable at = start
        let mutable left = available.Length

        let inline hasRoomAt at =
            hasRoom keyed inFlight pool.Weights[at] available[at].Gauge.InFlight
            && not (wasTried demand.Tried available[at])

        while left > 0 && not (hasRoomAt at) do
            at <- (at + 1) % available.Length
            left <- left - 1

        {
            Target =
                available[if left > 0 then
                              at
                          else
                              untried demand.Tried available start]
            Seen = -1
        }

    /// The first member in the order of the key that is available, was not tried and has room; where none
    /// of those looked at is, any other that is.
    let private ofKey (demand: Demand) (pool: PoolView) (keyed: Keyed) : Choice =
        let place = KeyMap.locate demand.Key keyed.Map
        let inFlight = pool.InFlight.Value
        let mutable found = ValueNone
        let mutable probe = 0

        while found.IsNone && probe < mostProbes do
            let member' = KeyMap.owner demand.Key place probe keyed.Map
            let share = keyed.Shares[member']

            if share > 0 then
                let target = keyed.Members[member']
                let load = target.Gauge.InFlight

                if hasRoom keyed inFlight share load && not (wasTried demand.Tried target) then
                    found <-
                        ValueSome {
                            Target = target
                            Seen = if keyed.BalanceFactor = 0 then -1 else load
                        }

            probe <- probe + 1

        match found with
        | ValueSome choice -> choice
        | ValueNone -> anyWithRoom demand pool keyed inFlight

    /// The target for the pool's `turn`-th choice, none of those tried while another is available; nothing
    /// when none is available.
    let pick (turn: uint64) (demand: Demand) (pool: PoolView) : Choice voption =
        let available = pool.Available
        let tried = demand.Tried

        let inline any target : Choice voption =
            ValueSome { Target = target; Seen = -1 }

        let inline at index =
            any available[untried tried available index]

        if available.Length = 0 then
            ValueNone
        else
            match pool.Selector with
            | Selector.RoundRobin -> at (int (turn % uint64 available.Length))
            | Selector.Cycle cycle -> at cycle[int (turn % uint64 cycle.Length)]
            | Selector.Least ranking ->
                let struct (index, load) = ranking.Lightest tried

                ValueSome {
                    Target = available[index]
                    Seen = load
                }
            | Selector.Random table -> at (AliasTable.draw (SplitMix.bits (pool.Seed + turn)) table)
            | Selector.Custom own ->
                // An array of references is a list of whatever its elements are.
                let candidates = unbox<IReadOnlyList<ICandidate>>(box available)
                let index = own.Choose(candidates, turn, SplitMix.bits (pool.Seed + turn))

                at (
                    if index >= 0 && index < available.Length then
                        index
                    else
                        int (turn % uint64 available.Length)
                )
            | Selector.TwoChoices table ->
                any (lighterOfTwo tried pool table (SplitMix.bits (pool.Seed + turn)))
            | Selector.Peak table ->
                any (soonerOfTwo demand.Now tried pool table (SplitMix.bits (pool.Seed + turn)))
            | Selector.Keyed keyed -> ValueSome(ofKey demand pool keyed)
