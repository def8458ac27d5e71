namespace Conduit

open System.Threading

/// A key, what is kept for it, and until when that matters.
[<Struct; NoEquality; NoComparison>]
type KeyEntry<'Value when 'Value: struct> = {
    mutable High: uint64
    mutable Low: uint64
    /// Ticks of the process' clock; those of a place that is free lie before all others.
    mutable Until: int64
    mutable Value: 'Value
}

/// IMPURE: what is kept for keys, in a table whose size is fixed: as many places as are asked for, rounded up to
/// a power of two and 8 at the least. A key has eight places; when other keys have them all, the one gives way
/// that matters for the shortest time. A look costs the same however many keys there are, and is made under
/// one of 64 locks. `seed` keeps strangers from choosing keys that share places.
[<Sealed>]
type KeyTable<'Value when 'Value: struct>(capacity: int, seed: uint64) =

    static let ways = 8

    let sets =
        int (System.Numerics.BitOperations.RoundUpToPowerOf2(uint32 (max 1 ((capacity + ways - 1) / ways))))

    let entries =
        Array.init (sets * ways) (fun _ -> {
            High = 0UL
            Low = 0UL
            Until = System.Int64.MinValue
            Value = Unchecked.defaultof<'Value>
        })

    let gates = Array.init 64 (fun _ -> obj ())
    let gateOf place = gates[(place / ways) &&& 63]

    /// The places, to be used between `Enter` and `Leave`.
    member _.Entries = entries

    /// Keeps others from the key, and gives its place: its own, or one that it takes over, which is free then.
    member _.Enter(key: System.UInt128) : int =
        let high, low = uint64 (key >>> 64), uint64 key
        let first = ways * int (StableHash.ofNumber seed key &&& uint64 (sets - 1))
        Monitor.Enter(gateOf first)
        let mutable place = first
        let mutable at = first
        let mutable found = false

        while not found && at < first + ways do
            if
                entries[at].Until <> System.Int64.MinValue
                && entries[at].High = high
                && entries[at].Low = low
            then
                place <- at
                found <- true
            else
                if entries[at].Until < entries[place].Until then
                    place <- at

                at <- at + 1

        if not found then
            entries[place].High <- high
            entries[place].Low <- low
            entries[place].Until <- System.Int64.MinValue

        place

    /// Lets others to the key of a place.
    member _.Leave place = Monitor.Exit(gateOf place)
