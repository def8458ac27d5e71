module Conduit.Tests.FiguresTests

open System
open FsCheck
open Xunit
open Conduit

let private micros (value: int) = TimeSpan.FromMicroseconds(float value)

let private counted (durations: int list) =
    let histogram = Histogram()
    durations |> List.iter (micros >> histogram.Record)
    Durations.ofCounts (histogram.Read())

let private sample durations errors : Sample =
    let durations = counted durations
    let judged = Durations.total durations + errors

    {
        Requests = judged
        Errors = errors
        Judged = judged
        Durations = durations
    }

let private values (durations: NonNegativeInt list) =
    durations |> List.map (fun (NonNegativeInt value) -> value)

[<Fact>]
let ``a percentile is the bound of the bucket that the sorted durations have there`` () =
    Property.check (fun (NonEmptyArray(durations: NonNegativeInt[])) (PositiveInt share) ->
        let durations = values (List.ofArray durations)
        let share = float (share % 100 + 1) / 100.0
        let rank = max 1 (int (ceil (share * float durations.Length)))
        let ranked = (List.sort durations)[rank - 1]
        let expected = Buckets.upperBound (Buckets.indexOf (micros ranked))

        Durations.percentile share (counted durations) = Some expected)

[<Fact>]
let ``nothing counted has no percentile`` () =
    Assert.Equal(None, Durations.percentile 0.5 Durations.none)

[<Fact>]
let ``merged durations are those of both, whichever comes first`` () =
    Property.check (fun (a: NonNegativeInt list) (b: NonNegativeInt list) ->
        let a, b = values a, values b
        let both = counted (a @ b)

        Durations.merge (counted a) (counted b) = both
        && Durations.merge (counted b) (counted a) = both)

[<Fact>]
let ``a sum of samples is what merging them one by one gives`` () =
    Property.check (fun (samples: (NonNegativeInt list * NonNegativeInt) list) ->
        let samples =
            samples
            |> List.map (fun (durations, NonNegativeInt errors) -> sample (values durations) (int64 errors))

        Sample.sum samples = List.fold Sample.merge Sample.none samples)

/// What a window says is what happened in the seconds that it covers, and these are as many as it says.
[<Fact>]
let ``a window shows the seconds that it covers, and no other`` () =
    let windows = [
        Window.FiveSeconds, 5L, 1L
        Window.TenSeconds, 10L, 1L
        Window.OneMinute, 60L, 10L
        Window.FiveMinutes, 300L, 30L
    ]

    Property.check (fun (steps: (PositiveInt * NonNegativeInt list) list) ->
        // Seconds with what happened in them; some are left out, some come in two parts.
        let seconds =
            steps
            |> List.scan
                (fun (second, _) (PositiveInt step, durations) ->
                    second + int64 (step % 40), Some(sample (values durations) 1L))
                (0L, None)
            |> List.choose (fun (second, sample) -> sample |> Option.map (fun sample -> second, sample))

        let trail =
            seconds
            |> List.fold (fun trail (second, sample) -> Trail.add second sample trail) Trail.empty

        let last = seconds |> List.map fst |> List.fold max 0L

        windows
        |> List.forall (fun (window, length, step) ->
            let figures = Trail.over window last trail
            let covered = int64 figures.Span.TotalSeconds
            let first = last + 1L - covered

            let expected =
                seconds
                |> List.filter (fun (second, _) -> second >= first)
                |> List.map snd
                |> Sample.sum

            figures.Sample = expected
            && covered <= length
            && (covered > length - step || covered = last + 1L)))

[<Fact>]
let ``a trail forgets what is older than its windows`` () =
    let busy = Trail.add 7L (sample [ 100 ] 0L) Trail.empty
    Assert.NotEqual(Trail.empty, busy)
    Assert.Equal(Trail.empty, Trail.add 330L Sample.none busy)

[<Fact>]
let ``rates are by the time that was lived through, ratios by the tries that ended`` () =
    let figures =
        Trail.over Window.TenSeconds 3L (Trail.add 2L (sample [ 1; 2; 3 ] 1L) Trail.empty)

    Assert.Equal(TimeSpan.FromSeconds 4.0, figures.Span)
    Assert.Equal(1.0, Figures.requestsPerSecond figures)
    Assert.Equal(0.25, Figures.errorsPerSecond figures)
    Assert.Equal(Some 0.25, Figures.errorRatio figures)
    Assert.Equal(None, Figures.errorRatio (Trail.over Window.TenSeconds 99L Trail.empty))

/// A request of a random length: so many steps from its beginning to its end.
[<Fact>]
let ``a reader of a gauge loses nothing and counts nothing twice`` () =
    Property.check (fun (steps: (bool * NonNegativeInt) list) ->
        let gauge = Gauge()
        let reader = GaugeReader gauge
        let mutable open' = 0

        let samples = [
            for begins, NonNegativeInt duration in steps do
                if begins then
                    gauge.Acquire()
                    open' <- open' + 1
                elif open' > 0 then
                    open' <- open' - 1
                    gauge.Release()

                    if duration % 3 = 0 then
                        gauge.Failed()
                    else
                        gauge.Latency.Record(micros duration)

                        if duration % 3 = 1 then
                            gauge.AnsweredWithError()

                if duration % 2 = 0 then
                    reader.Next()

            reader.Next()
        ]

        let sum = Sample.sum samples

        sum.Requests = gauge.Requests
        && sum.Errors = gauge.Failures + gauge.ServerErrors
        && sum.Durations = Durations.ofCounts (gauge.Latency.Read())
        && sum.Judged = gauge.Failures + Durations.total sum.Durations
        && reader.Next() |> Sample.isNone)
