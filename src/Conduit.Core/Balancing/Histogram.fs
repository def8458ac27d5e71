namespace Conduit

open System
open System.Numerics
open System.Threading

/// Counts of durations in buckets whose width grows with the duration: exact below 16 µs, within an
/// eighth above. Covers up to 19 hours; what is longer counts as that.
[<RequireQualifiedAccess>]
module Buckets =

    let private exact = 16L
    let private perOctave = 8

    /// How many buckets there are.
    let count = int exact + 32 * perOctave

    /// The bucket of a duration.
    let indexOf (span: TimeSpan) =
        let micros = max 0L (span.Ticks / 10L)

        if micros < exact then
            int micros
        else
            let octave = BitOperations.Log2(uint64 micros)
            let part = int (micros >>> (octave - 3)) &&& (perOctave - 1)
            min (count - 1) (int exact + (octave - 4) * perOctave + part)

    /// The longest duration of a bucket, to a microsecond.
    let upperBound index =
        if index < int exact then
            TimeSpan.FromMicroseconds(float index)
        else
            let octave = (index - int exact) / perOctave + 4
            let part = int64 ((index - int exact) % perOctave)
            TimeSpan.FromMicroseconds(float (((int64 perOctave + part + 1L) <<< (octave - 3)) - 1L))

/// IMPURE: atomic cells. Durations counted since the start; what happened in between is the difference
/// of two readings.
[<Sealed>]
type Histogram() =
    let counts = Array.zeroCreate<int64> Buckets.count

    member _.Record span =
        Interlocked.Increment(&counts[Buckets.indexOf span]) |> ignore

    /// The counts as they stand, by bucket.
    member _.Read() = Array.copy counts

    /// How many durations fell into a bucket so far.
    member _.Count bucket = Volatile.Read &counts[bucket]
