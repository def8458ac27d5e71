namespace Conduit

open System
open System.Threading

/// What a histogram has counted: by bucket, the last one without a bound, and the sum of all times.
type Distribution = { Counts: int64[]; Sum: TimeSpan }

[<RequireQualifiedAccess>]
module Distribution =

    let total (distribution: Distribution) = Array.sum distribution.Counts

    /// Several with the same bounds together.
    let merge (distributions: Distribution list) : Distribution =
        match distributions with
        | [ one ] -> one
        | many -> {
            Counts = many |> List.map _.Counts |> List.reduce (Array.map2 (+))
            Sum = many |> List.fold (fun sum each -> sum + each.Sum) TimeSpan.Zero
          }

/// IMPURE: atomic cells. Times counted in buckets with the given upper bounds, in seconds and in order.
/// Unlike a `Histogram`, whose buckets suit percentiles, it has few of them, and at round bounds.
[<Sealed>]
type TimeHistogram(bounds: float[]) =
    let ticks =
        bounds |> Array.map (fun bound -> int64 (bound * float TimeSpan.TicksPerSecond))

    let counts = Array.zeroCreate<int64>(bounds.Length + 1)
    let mutable sum = 0L

    /// For the time that requests take.
    static member RequestBounds = [|
        0.001
        0.0025
        0.005
        0.01
        0.025
        0.05
        0.1
        0.2
        0.5
        1.0
        2.0
        5.0
        10.0
    |]

    member _.Bounds = bounds

    member _.Record(time: TimeSpan) =
        let mutable index = 0

        while index < ticks.Length && time.Ticks > ticks[index] do
            index <- index + 1

        Interlocked.Increment(&counts[index]) |> ignore
        Interlocked.Add(&sum, time.Ticks) |> ignore

    /// The counts as they stand.
    member _.Read() : Distribution = {
        Counts = Array.init counts.Length (fun index -> Volatile.Read &counts[index])
        Sum = TimeSpan.FromTicks(Volatile.Read &sum)
    }

    /// Adds what another one with the same bounds has counted.
    member _.Absorb(other: TimeHistogram) =
        let read = other.Read()

        for index in 0 .. counts.Length - 1 do
            Interlocked.Add(&counts[index], read.Counts[index]) |> ignore

        Interlocked.Add(&sum, read.Sum.Ticks) |> ignore
