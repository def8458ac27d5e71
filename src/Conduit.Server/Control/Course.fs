namespace Conduit.Server

/// One step of a backend's history. Small, since every backend has many.
[<Struct>]
type CourseStep = {
    RequestsPerSecond: float32
    /// Not a number while no try has ended.
    ErrorRatio: float32
    /// In milliseconds, and not a number while there was no answer.
    P50: float32
    P99: float32
    InFlight: int
}

[<RequireQualifiedAccess>]
module CourseStep =

    let private orNothing (value: float option) =
        match value with
        | Some value -> float32 value
        | None -> nanf

    /// What a step was like, and how many requests were in flight at its end.
    let create (figures: Conduit.Figures) inFlight : CourseStep =
        let latency share =
            Conduit.Figures.latency share figures |> Option.map _.TotalMilliseconds

        {
            RequestsPerSecond = float32 (Conduit.Figures.requestsPerSecond figures)
            ErrorRatio = orNothing (Conduit.Figures.errorRatio figures)
            P50 = orNothing (latency 0.5)
            P99 = orNothing (latency 0.99)
            InFlight = inFlight
        }

/// IMPURE: the last steps of one backend. The oldest give way to new ones.
[<Sealed>]
type Course(length: int) =
    let steps = Array.zeroCreate<CourseStep> length
    let mutable added = 0L

    member _.Add(step: CourseStep) =
        steps[int (added % int64 length)] <- step
        added <- added + 1L

    /// The last of them, the oldest first; at most so many.
    member _.Last(most: int) : CourseStep[] =
        let count = min (int64 (min most length)) added
        Array.init (int count) (fun index -> steps[int ((added - count + int64 index) % int64 length)])
