namespace Conduit

open System

/// A backend as the request path sees it: what was known of it when the snapshot was made, and its
/// live gauge.
[<ReferenceEquality>]
type Target = {
    Pool: PoolName
    Backend: Backend
    Gauge: Gauge
    /// The places for trials while its breaker is half-open; null otherwise.
    Trials: Trials | null
    /// Answers of these statuses count as failures.
    Failures: StatusSet
    Upstream: Upstream
    /// The most requests that may be in flight on it.
    Most: int
    /// Where requests of the pool wait for a place; null where there is no limit.
    Line: WaitingLine | null
} with

    interface ICandidate with
        member this.Id = BackendId.value this.Backend.Spec.Id
        member this.Weight = Weight.value this.Backend.Spec.Weight
        member this.InFlight = this.Gauge.InFlight
        member this.Requests = this.Gauge.Requests
        member this.Failures = this.Gauge.Failures

[<RequireQualifiedAccess>]
module Target =

    let private tryTrial target =
        match target.Trials with
        | null -> true
        | trials -> trials.TryEnter()

    let private endTrial target =
        match target.Trials with
        | null -> ()
        | trials -> trials.Leave()

    /// Takes a place on it: one more in flight, where the limit lets it and, while its breaker is half-open,
    /// a trial is allowed. `seen` is how many must be in flight now, or negative where any number will do.
    let tryEnter seen target =
        if not (tryTrial target) then
            false
        elif
            (if seen >= 0 then
                 seen < target.Most && target.Gauge.TryAcquire seen
             elif target.Most = Int32.MaxValue then
                 target.Gauge.Acquire()
                 true
             else
                 target.Gauge.TryAcquireBelow target.Most)
        then
            true
        else
            endTrial target
            false

    /// Whether there is a place on it.
    let hasRoom target =
        target.Gauge.InFlight < target.Most
        && (match target.Trials with
            | null -> true
            | trials -> trials.HasRoom)

    /// Gives the place back, and calls who waits for it.
    let leave target =
        target.Gauge.Release()
        endTrial target

        match target.Line with
        | null -> ()
        | line -> line.CallHead()
