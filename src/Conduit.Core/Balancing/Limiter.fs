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

/// IMPURE: buckets by key, in a table of fixed size. One that is full is the same as none, so idle keys leave
/// without loss, and what a flood of keys can do is to give some of them a full bucket too early; a key that
/// keeps coming is the last to give way.
[<Sealed>]
type Limiter private (limit: RateLimit, table: KeyTable<Bucket>) =

    new(limit: RateLimit, seed: uint64) = Limiter(limit, KeyTable<Bucket>(limit.MaxKeys, seed))

    member _.Limit = limit

    /// The same buckets with other exemptions.
    member _.With(limit: RateLimit) = Limiter(limit, table)

    /// The most keys that are kept.
    member _.Capacity = table.Entries.Length

    /// Takes a token from the bucket of a key.
    member _.Take(key: UInt128, now: Instant) : Ruling =
        let place = table.Enter key

        try
            let entry = &table.Entries[place]

            let bucket =
                if entry.Until = Int64.MinValue then
                    Bucket.full limit.Rate limit.Burst now
                else
                    entry.Value

            let struct (ruling, after) = Bucket.take limit.Rate limit.Burst now bucket
            entry.Value <- after
            entry.Until <- Bucket.fullAt limit.Rate limit.Burst after
            ruling
        finally
            table.Leave place
