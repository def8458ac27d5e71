namespace Conduit

open System

/// When a backend that keeps failing is left alone, and how it is tried again.
type BreakerSettings = {
    /// Failures in a row that open it, at least 1.
    FailureThreshold: int
    /// How long it stays open the first time.
    ResetTimeout: TimeSpan
    /// The longest it stays open when its trials fail too, at least `ResetTimeout`.
    MaxResetTimeout: TimeSpan
    /// Trials at once while it is half-open, and successes that close it; at least 1.
    HalfOpenLimit: int
    /// Answers that count as failures.
    FailureStatuses: StatusSet
}

/// Whether requests may go to a backend, judged by how they ended.
[<RequireQualifiedAccess>]
type Breaker =
    /// Requests go through; so many in a row have failed.
    | Closed of failures: int
    /// None goes through before `until`; `trips` trials in a row have failed since it was closed.
    | Open of until: Instant * trips: int
    /// A few go through as trials. Those that have not ended by `until` are given up, and others take their
    /// places.
    | HalfOpen of until: Instant * trips: int * successes: int

[<RequireQualifiedAccess>]
module Breaker =

    let initial = Breaker.Closed 0

    /// Twice as long with each trip, up to the longest; a quarter of it is left to chance, so that many
    /// balancers do not try a backend again in step. Nobody chooses to the tick when a request fails: the
    /// instant itself is the chance.
    let private pause settings now trips =
        if trips = 0 then
            settings.ResetTimeout
        else
            let full =
                min (settings.ResetTimeout * Math.Pow(2.0, float (min trips 30))) settings.MaxResetTimeout

            let chance = float (SplitMix.bits (Instant.bits now) >>> 11) / float (1UL <<< 53)
            full * (0.75 + 0.25 * chance)

    let private opened settings now trips =
        Breaker.Open(Instant.add (pause settings now trips) now, trips)

    /// The breaker after one more request that was let through ended.
    let result settings now succeeded breaker =
        match breaker with
        | Breaker.Closed 0 when succeeded -> breaker
        | Breaker.Closed _ when succeeded -> initial
        | Breaker.Closed failures when failures + 1 >= settings.FailureThreshold -> opened settings now 0
        | Breaker.Closed failures -> Breaker.Closed(failures + 1)
        | Breaker.HalfOpen(_, _, successes) when succeeded && successes + 1 >= settings.HalfOpenLimit ->
            initial
        | Breaker.HalfOpen(until, trips, successes) when succeeded ->
            Breaker.HalfOpen(until, trips, successes + 1)
        | Breaker.HalfOpen(_, trips, _) -> opened settings now (trips + 1)
        | Breaker.Open _ -> breaker

    /// The breaker as time has gone by.
    let tick settings now breaker =
        match breaker with
        | Breaker.Open(until, trips) when Instant.hasPassed until now ->
            Breaker.HalfOpen(Instant.add settings.ResetTimeout now, trips, 0)
        | Breaker.HalfOpen(until, trips, successes) when Instant.hasPassed until now ->
            Breaker.HalfOpen(Instant.add settings.ResetTimeout now, trips, successes)
        | _ -> breaker

    /// When time alone will change it.
    let due breaker =
        match breaker with
        | Breaker.Closed _ -> ValueNone
        | Breaker.Open(until, _)
        | Breaker.HalfOpen(until, _, _) -> ValueSome until

    let name breaker =
        match breaker with
        | Breaker.Closed _ -> "closed"
        | Breaker.Open _ -> "open"
        | Breaker.HalfOpen _ -> "half-open"

    /// Whether it stops all requests.
    let isOpen breaker =
        match breaker with
        | Breaker.Open _ -> true
        | Breaker.Closed _
        | Breaker.HalfOpen _ -> false

    /// Whether `after` is another life of it: results from before say nothing of it.
    let isTurn before after =
        match before, after with
        | Breaker.Closed _, Breaker.Closed _
        | Breaker.Open _, Breaker.Open _ -> false
        | Breaker.HalfOpen(until, _, _), Breaker.HalfOpen(later, _, _) -> until <> later
        | _ -> true

    /// What a closed breaker that is switched on goes by where nothing else is said.
    let defaults = {
        FailureThreshold = 5
        ResetTimeout = TimeSpan.FromSeconds 30.0
        MaxResetTimeout = TimeSpan.FromSeconds 30.0
        HalfOpenLimit = 3
        FailureStatuses = StatusSet.range 500 599
    }
