namespace Conduit

open System

/// How many durations fell into one bucket.
[<Struct>]
type BucketCount = { Bucket: int; Count: int64 }

/// Durations that were counted in a span of time: the buckets that have any, in their order. A span has
/// few of them, so this takes a fraction of the room of a histogram.
[<RequireQualifiedAccess>]
module Durations =

    let none: BucketCount[] = [||]

    /// What the counts of all buckets say.
    let ofCounts (counts: int64[]) : BucketCount[] = [|
        for bucket in 0 .. counts.Length - 1 do
            if counts[bucket] <> 0L then
                {
                    Bucket = bucket
                    Count = counts[bucket]
                }
    |]

    /// IMPURE: what the histogram has counted more than `before` says, which then says the same as the
    /// histogram.
    let advance (before: int64[]) (histogram: Histogram) : BucketCount[] = [|
        for bucket in 0 .. before.Length - 1 do
            let count = histogram.Count bucket - before[bucket]

            if count <> 0L then
                before[bucket] <- before[bucket] + count
                { Bucket = bucket; Count = count }
    |]

    let total (durations: BucketCount[]) = durations |> Array.sumBy _.Count

    /// Both together.
    let merge (a: BucketCount[]) (b: BucketCount[]) : BucketCount[] =
        if a.Length = 0 then
            b
        elif b.Length = 0 then
            a
        else
            let merged = ResizeArray<BucketCount>(a.Length + b.Length)
            let mutable i, j = 0, 0

            while i < a.Length && j < b.Length do
                if a[i].Bucket < b[j].Bucket then
                    merged.Add a[i]
                    i <- i + 1
                elif a[i].Bucket > b[j].Bucket then
                    merged.Add b[j]
                    j <- j + 1
                else
                    merged.Add {
                        Bucket = a[i].Bucket
                        Count = a[i].Count + b[j].Count
                    }

                    i <- i + 1
                    j <- j + 1

            while i < a.Length do
                merged.Add a[i]
                i <- i + 1

            while j < b.Length do
                merged.Add b[j]
                j <- j + 1

            merged.ToArray()

    /// The duration that a share of them (0 to 1) does not exceed; nothing when there are none.
    let percentile (share: float) (durations: BucketCount[]) : TimeSpan option =
        match total durations with
        | 0L -> None
        | total ->
            let rank = max 1L (int64 (ceil (share * float total)))
            let mutable index = 0
            let mutable sum = durations[0].Count

            while sum < rank do
                index <- index + 1
                sum <- sum + durations[index].Count

            Some(Buckets.upperBound durations[index].Bucket)
