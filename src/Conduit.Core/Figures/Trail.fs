namespace Conduit

open System

/// What happened in one period of a grain.
[<Struct>]
type Slot = {
    /// Of the period: 0, 1, 2, ...
    Number: int64
    Sample: Sample
}

/// The last minutes of a backend or a pool, the newest first, at three grains. Periods in which nothing
/// happened take no room.
type Trail = {
    Seconds: Slot list
    TenSeconds: Slot list
    HalfMinutes: Slot list
}

/// How far back a figure looks. The two longer ones move on by 10 and by 30 seconds: they cover 51 to 60
/// seconds, and 271 to 300.
[<RequireQualifiedAccess>]
type Window =
    | FiveSeconds
    | TenSeconds
    | OneMinute
    | FiveMinutes

/// What happened in a window.
type Figures = {
    /// How much of the window has been lived through.
    Span: TimeSpan
    Sample: Sample
}

[<RequireQualifiedAccess>]
module Figures =

    let private perSecond count (figures: Figures) =
        if figures.Span > TimeSpan.Zero then
            float count / figures.Span.TotalSeconds
        else
            0.0

    let requestsPerSecond figures =
        perSecond figures.Sample.Requests figures

    let errorsPerSecond figures = perSecond figures.Sample.Errors figures

    /// From 0 to 1; nothing while no try has ended.
    let errorRatio figures =
        if figures.Sample.Judged > 0L then
            Some(float figures.Sample.Errors / float figures.Sample.Judged)
        else
            None

    /// The time that a share (0 to 1) of the answers took at most.
    let latency share figures =
        Durations.percentile share figures.Sample.Durations

[<RequireQualifiedAccess>]
module Trail =

    let empty = {
        Seconds = []
        TenSeconds = []
        HalfMinutes = []
    }

    /// Seconds in a period of each grain, and how many periods are kept.
    let private seconds, tenSeconds, halfMinutes = (1L, 10L), (10L, 6L), (30L, 10L)

    let private put (length, kept) second sample (slots: Slot list) =
        let number = second / length

        match slots with
        | newest :: older when newest.Number = number && not (Sample.isNone sample) ->
            {
                newest with
                    Sample = Sample.merge newest.Sample sample
            }
            :: older
        | _ ->
            let recent = slots |> List.filter (fun slot -> slot.Number > number - kept)

            if Sample.isNone sample then
                recent
            else
                { Number = number; Sample = sample } :: recent

    /// The trail after the second with this number, counted from any origin, in which `sample` happened.
    /// Seconds come in order; one may come in several parts, and some may be left out.
    let add (second: int64) (sample: Sample) (trail: Trail) : Trail =
        if Sample.isNone sample && trail.HalfMinutes.IsEmpty then
            trail
        else
            {
                Seconds = put seconds second sample trail.Seconds
                TenSeconds = put tenSeconds second sample trail.TenSeconds
                HalfMinutes = put halfMinutes second sample trail.HalfMinutes
            }

    /// What happened in the window that ends with the second of this number; nothing was before second 0.
    let over (window: Window) (second: int64) (trail: Trail) : Figures =
        let (length, _), periods, slots =
            match window with
            | Window.FiveSeconds -> seconds, 5L, trail.Seconds
            | Window.TenSeconds -> seconds, 10L, trail.Seconds
            | Window.OneMinute -> tenSeconds, 6L, trail.TenSeconds
            | Window.FiveMinutes -> halfMinutes, 10L, trail.HalfMinutes

        let first = max 0L (second / length - periods + 1L)

        {
            Span = TimeSpan.FromSeconds(float (second + 1L - first * length))
            Sample =
                slots
                |> List.filter (fun slot -> slot.Number >= first)
                |> List.map _.Sample
                |> Sample.sum
        }
