namespace Conduit

/// What happened in a span of time.
type Sample = {
    /// Tries that were begun.
    Requests: int64
    /// Tries that failed by the backend's fault, or were answered with a status from 500 on.
    Errors: int64
    /// Tries that were answered, or failed by the backend's fault: what `Errors` is a share of.
    Judged: int64
    /// How long answers took.
    Durations: BucketCount[]
}

[<RequireQualifiedAccess>]
module Sample =

    let none: Sample = {
        Requests = 0L
        Errors = 0L
        Judged = 0L
        Durations = Durations.none
    }

    let isNone (sample: Sample) =
        sample.Requests = 0L && sample.Errors = 0L && sample.Judged = 0L

    /// Both together.
    let merge (a: Sample) (b: Sample) : Sample =
        if isNone a then
            b
        elif isNone b then
            a
        else
            {
                Requests = a.Requests + b.Requests
                Errors = a.Errors + b.Errors
                Judged = a.Judged + b.Judged
                Durations = Durations.merge a.Durations b.Durations
            }

    let private total (samples: Sample list) : Sample =
        let counts = Array.zeroCreate<int64> Buckets.count

        for sample in samples do
            for each in sample.Durations do
                counts[each.Bucket] <- counts[each.Bucket] + each.Count

        {
            Requests = samples |> List.sumBy _.Requests
            Errors = samples |> List.sumBy _.Errors
            Judged = samples |> List.sumBy _.Judged
            Durations = Durations.ofCounts counts
        }

    /// All together.
    let sum (samples: Sample list) : Sample =
        match samples with
        | [] -> none
        | [ one ] -> one
        | many -> total many

/// IMPURE: reads the cells of a gauge again and again, and tells what happened in between.
[<Sealed>]
type GaugeReader(gauge: Gauge) =
    let mutable requests, failures, serverErrors = 0L, 0L, 0L
    let latency = Array.zeroCreate<int64> Buckets.count
    let mutable isIdle = false

    let read () : Sample =
        let before = struct (requests, failures, serverErrors)
        requests <- gauge.Requests
        failures <- gauge.Failures
        serverErrors <- gauge.ServerErrors
        let durations = Durations.advance latency gauge.Latency
        let struct (requestsBefore, failuresBefore, serverErrorsBefore) = before

        {
            Requests = requests - requestsBefore
            Errors = failures - failuresBefore + serverErrors - serverErrorsBefore
            Judged = failures - failuresBefore + Durations.total durations
            Durations = durations
        }

    /// What happened since the last call, or since the backend joined. A backend without requests costs
    /// two reads.
    member _.Next() : Sample =
        let wasIdle = isIdle
        // In this order, and twice in a row: a request that has left its place may not be counted yet.
        isIdle <- gauge.Requests = requests && gauge.InFlight = 0

        if wasIdle && isIdle then Sample.none else read ()
