namespace Conduit

open System

/// The pauses before further tries.
type BackOff = {
    /// Before the first further try.
    Initial: TimeSpan
    Longest: TimeSpan
    /// How much longer each is than the one before, 1 or more.
    Multiplier: float
    /// The part of a pause that is left to chance, 0 to 1; 1 is full jitter.
    Randomization: float
}

/// How many further tries there may be, over all requests of a pool.
type RetryBudget = {
    /// For each 100 requests.
    Percentage: float
    /// Each second, however few requests there are.
    PerSecond: float
}

/// What happens when a try fails.
type RetrySettings = {
    /// Further tries after the first, 0 or more.
    Most: int
    BackOff: BackOff
    /// For each try, up to the end of the response's headers; a try that it ends may be followed by another.
    TryTimeout: TimeSpan option
    /// For all tries together, up to the end of the response's headers.
    TotalTimeout: TimeSpan option
    /// Answers that are tried again elsewhere.
    Statuses: StatusSet
    Budget: RetryBudget
    /// The largest request body that is kept for further tries, in bytes; 0 keeps none.
    Buffer: int
}

/// What a try has used up that a further try would need.
[<Struct; NoComparison>]
type TrySpent = {
    /// RFC 9110 section 9.2.2: sending the request twice means the same as sending it once.
    Idempotent: bool
    /// Bytes of the request's body were taken from the client and are not kept.
    BodySpent: bool
    /// A byte of a response has reached the client.
    ResponseStarted: bool
    /// The try had a timeout of its own, shorter than the request's.
    TryTimeout: bool
}

[<RequireQualifiedAccess>]
module Retry =

    let defaults = {
        Most = 3
        BackOff = {
            Initial = TimeSpan.FromMilliseconds 25.0
            Longest = TimeSpan.FromMilliseconds 250.0
            Multiplier = 2.0
            Randomization = 1.0
        }
        TryTimeout = None
        TotalTimeout = None
        Statuses = StatusSet.empty
        Budget = { Percentage = 20.0; PerSecond = 10.0 }
        Buffer = 0
    }

    /// The pause before a further try, after so many before it; `chance` is from 0 to 1.
    let pause (backOff: BackOff) (chance: float) before : TimeSpan =
        let full =
            min
                backOff.Longest.TotalMilliseconds
                (backOff.Initial.TotalMilliseconds
                 * Math.Pow(backOff.Multiplier, float (min before 100)))

        TimeSpan.FromMilliseconds(full * (1.0 - backOff.Randomization * chance))

    /// The methods of RFC 9110 section 9.2.2.
    let isIdempotent (method: string) =
        match method with
        | "GET"
        | "HEAD"
        | "OPTIONS"
        | "TRACE"
        | "PUT"
        | "DELETE" -> true
        | _ -> false

    /// The methods of RFC 9110 section 9 and PATCH (RFC 5789), which are case-sensitive.
    let isKnown (method: string) =
        isIdempotent method || method = "POST" || method = "PATCH" || method = "CONNECT"

    /// Whether trying once more can do no harm. Without a connection nothing reached the backend, so any
    /// method may follow it; a lost connection may have, so only idempotent ones may. A timeout is not
    /// tried again, since the backend may still be at work on it, unless the operator has given tries a
    /// timeout of their own.
    let isSafe (spent: TrySpent) (outcome: Outcome) =
        if spent.BodySpent || spent.ResponseStarted then
            false
        else
            match outcome with
            | Outcome.ConnectFailed _
            | Outcome.Shortage _ -> true
            | Outcome.Reset _
            | Outcome.Declined _ -> spent.Idempotent
            | Outcome.TimedOut _ -> spent.Idempotent && spent.TryTimeout
            | Outcome.Answered _
            | Outcome.ClientGone
            | Outcome.ClientInvalid _
            | Outcome.BodyTooLarge
            | Outcome.Garbled _
            | Outcome.Truncated _
            | Outcome.BodyRefused _
            | Outcome.Quiet _
            | Outcome.Overdue _
            | Outcome.ClientStalled _ -> false
