namespace Conduit

/// A choice among the available targets of a pool.
[<Struct; NoEquality; NoComparison>]
type Choice = {
    Target: Target
    /// The requests in flight that the choice rests on, or -1 when it does not rest on them.
    Seen: int
}

/// Choosing a backend: pure over a pool's view, a turn's number, and the gauges as they stand. Nothing
/// here allocates.
[<RequireQualifiedAccess>]
module Balancer =

    /// Whether the target's gauge is among those tried.
    let wasTried (tried: Gauge list) (target: Target) =
        let mutable rest = tried
        let mutable found = false

        while not found && not rest.IsEmpty do
            found <- obj.ReferenceEquals(rest.Head, target.Gauge)
            rest <- rest.Tail

        found

    /// The first target at `index` or after it, going round, that was not tried.
    let private untried (tried: Gauge list) (available: Target[]) index =
        let mutable at = index
        let mutable left = available.Length

        while left > 0 && wasTried tried available[at] do
            at <- if at + 1 = available.Length then 0 else at + 1
            left <- left - 1

        at

    let private isLighter (a: Target) loadOfA (b: Target) loadOfB =
        let weightOfA, weightOfB =
            Weight.value a.Backend.Spec.Weight, Weight.value b.Backend.Spec.Weight
        // The same as loadOfA / weightOfA < loadOfB / weightOfB.
        int64 loadOfA * int64 weightOfB < int64 loadOfB * int64 weightOfA

    /// The lightest target; among equals the first from `start` on.
    let private lightest (tried: Gauge list) (available: Target[]) start : Choice =
        let mutable best = available[start]
        let mutable load = best.Gauge.InFlight
        let mutable at = start

        for _ in 2 .. available.Length do
            at <- if at + 1 = available.Length then 0 else at + 1
            let other = available[at]
            let otherLoad = other.Gauge.InFlight

            if isLighter other otherLoad best load && not (wasTried tried other) then
                best <- other
                load <- otherLoad

        { Target = best; Seen = load }

    /// The lighter of two distinct targets, the first of equals.
    let private lighterOfTwo tried (available: Target[]) table bits : Choice =
        let count = available.Length
        let first = untried tried available (AliasTable.draw bits table)
        let draw = SplitMix.bits bits
        let second = AliasTable.draw draw table

        let second =
            if second <> first then
                second
            elif count = 1 then
                first
            else
                // Of fresh bits: those of a draw that hit `first` are no longer even.
                (first + 1 + SplitMix.below (count - 1) (uint32 (SplitMix.bits draw))) % count

        let a, b = available[first], available[second]
        let loadOfA, loadOfB = a.Gauge.InFlight, b.Gauge.InFlight

        if isLighter b loadOfB a loadOfA && not (wasTried tried b) then
            { Target = b; Seen = -1 }
        else
            { Target = a; Seen = -1 }

    /// The target for the pool's `turn`-th choice, none of the `tried` ones while another is available;
    /// nothing when none is available.
    let pick (turn: uint64) (tried: Gauge list) (pool: PoolView) : Choice voption =
        let available = pool.Available
        let count = uint64 available.Length

        let inline at index : Choice = {
            Target = available[untried tried available index]
            Seen = -1
        }

        if count = 0UL then
            ValueNone
        else
            match pool.Selector with
            | Selector.RoundRobin -> ValueSome(at (int (turn % count)))
            | Selector.Cycle cycle -> ValueSome(at cycle[int (turn % uint64 cycle.Length)])
            | Selector.Least cycle ->
                ValueSome(
                    lightest tried available (untried tried available cycle[int (turn % uint64 cycle.Length)])
                )
            | Selector.Random table ->
                ValueSome(at (AliasTable.draw (SplitMix.bits (pool.Seed + turn)) table))
            | Selector.TwoChoices table ->
                ValueSome(lighterOfTwo tried available table (SplitMix.bits (pool.Seed + turn)))
