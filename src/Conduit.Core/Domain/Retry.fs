namespace Conduit

/// What a try has used up that a further try would need.
[<Struct; NoComparison>]
type TrySpent = {
    /// RFC 9110 section 9.2.2: sending the request twice means the same as sending it once.
    Idempotent: bool
    /// Bytes of the request's body were taken from the client and are not kept.
    BodySpent: bool
    /// A byte of a response has reached the client.
    ResponseStarted: bool
}

[<RequireQualifiedAccess>]
module Retry =

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

    /// Whether trying once more can do no harm. A connect failure never reached the backend, so any
    /// method may follow it; a lost connection may have, so only idempotent ones may. A timeout is not
    /// tried again: the backend may still be at work on it.
    let isSafe (spent: TrySpent) (outcome: Outcome) =
        if spent.BodySpent || spent.ResponseStarted then
            false
        else
            match outcome with
            | Outcome.ConnectFailed _ -> true
            | Outcome.Reset _ -> spent.Idempotent
            | Outcome.Answered _
            | Outcome.ClientGone
            | Outcome.ClientInvalid _
            | Outcome.BodyTooLarge
            | Outcome.Garbled _
            | Outcome.TimedOut _
            | Outcome.Truncated _
            | Outcome.BodyRefused _
            | Outcome.Quiet _
            | Outcome.ClientStalled _ -> false
