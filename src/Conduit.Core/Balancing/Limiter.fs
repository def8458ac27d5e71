namespace Conduit

open System
open System.Threading

/// IMPURE: atomic counts of the requests that a pool did not take.
[<Sealed>]
type Rejections() =
    let counts = Array.zeroCreate<int64>(Enum.GetValues<RejectReason>().Length)

    /// One more for this reason.
    member _.Add(reason: RejectReason) =
        Interlocked.Increment(&counts[int reason]) |> ignore

    /// How many there were for this reason.
    member _.Count(reason: RejectReason) = Volatile.Read(&counts[int reason])

/// A key and its bucket.
[<Struct; NoEquality; NoComparison>]
type private KeyedBucket = {
    mutable High: uint64
    mutable Low: uint64
    mutable Bucket: Bucket
}

/// IMPURE: buckets by key, in a table whose size is fixed: 32 bytes for each of the keys that it keeps, and
/// as many as the settings say, rounded up to a power of two. A key has eight places; when other keys have
/// them all, the fullest bucket gives way. One that is full is the same as none, so idle keys leave without
/// loss, and what a flood of keys can do is to give some of them a full bucket too early. A request costs a
/// look at eight places under one of 64 locks, however many keys there are.
[<Sealed>]
type Limiter(limit: RateLimit, seed: uint64) =

    static let ways = 8

    /// In no slot that is used.
    static let never = Int64.MinValue

    let sets =
        int (Numerics.BitOperations.RoundUpToPowerOf2(uint32 (max 1 (limit.MaxKeys / ways))))

    let slots =
        Array.init (sets * ways) (fun _ -> {
            High = 0UL
            Low = 0UL
            Bucket = { Parts = 0L; At = never }
        })

    let gates = Array.init 64 (fun _ -> obj ())

    let isOf (high: uint64) (low: uint64) (slot: inref<KeyedBucket>) =
        slot.Bucket.At <> never && slot.High = high && slot.Low = low

    /// The slot of the key, or else the one that loses least.
    let find now first high low =
        let mutable best = -1
        let mutable most = -1L
        let mutable found = false
        let mutable at = first

        while not found && at < first + ways do
            if isOf high low &slots[at] then
                best <- at
                found <- true
            else
                let parts =
                    if slots[at].Bucket.At = never then
                        Int64.MaxValue
                    else
                        (Bucket.refill limit.Rate limit.Burst now slots[at].Bucket).Parts

                if parts > most then
                    best <- at
                    most <- parts

                at <- at + 1

        if not found then
            slots[best].High <- high
            slots[best].Low <- low
            slots[best].Bucket <- Bucket.full limit.Rate limit.Burst now

        best

    let takeFrom now set (high: uint64) (low: uint64) : Ruling =
        let slot = find now (set * ways) high low

        let struct (ruling, after) =
            Bucket.take limit.Rate limit.Burst now slots[slot].Bucket

        slots[slot].Bucket <- after
        ruling

    member _.Limit = limit

    /// The most keys that are kept.
    member _.Capacity = slots.Length

    /// Takes a token from the bucket of a key.
    member _.Take(key: UInt128, now: Instant) : Ruling =
        let set = int (StableHash.ofNumber seed key &&& uint64 (sets - 1))
        let gate = gates[set &&& 63]
        Monitor.Enter gate

        try
            takeFrom now set (uint64 (key >>> 64)) (uint64 key)
        finally
            Monitor.Exit gate
