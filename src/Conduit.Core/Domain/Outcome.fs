namespace Conduit

/// How one try at forwarding a request ended. Exceptions become outcomes in the forwarder and nowhere
/// else; everything after it (retries, health, answers, logs) reasons with these.
[<Struct; RequireQualifiedAccess; NoComparison>]
type Outcome =
    /// The backend's response was relayed whole, with this status.
    | Answered of status: int
    /// The backend answered with this status, of which nothing was relayed: it is tried again elsewhere.
    | Declined of status: int
    /// The client left before the end.
    | ClientGone
    /// What the client sent as a body breaks HTTP's framing.
    | ClientInvalid of reason: string
    /// What the client sends as a body is longer than the pool takes.
    | BodyTooLarge
    /// No connection to the backend could be made: it cannot have seen the request.
    | ConnectFailed of reason: string
    /// Conduit itself was short of what a connection takes: descriptors, memory or ports.
    | Shortage of reason: string
    /// The connection broke before the first byte of a response: the backend may have seen the request.
    | Reset of reason: string
    /// What the backend sent is no HTTP response.
    | Garbled of reason: string
    /// The backend let the response timeout pass without a response head.
    | TimedOut of reason: string
    /// The backend broke off in the middle of its response's body.
    | Truncated of reason: string
    /// The backend broke off while the request's body was on its way to it, as servers do that refuse a
    /// body they do not want.
    | BodyRefused of reason: string
    /// Nothing moved between the backend's head and the end of its body for the idle timeout, as in a
    /// stream of events without any.
    | Quiet of reason: string
    /// The time for the request as a whole was over, whoever has used it up.
    | Overdue of reason: string
    /// The client stalled for the idle timeout in the middle of a body.
    | ClientStalled of reason: string

/// What one request that has ended says of its backend.
[<Struct; RequireQualifiedAccess; NoComparison>]
type Evidence =
    | Passed
    /// The backend answered with a status that counts as a failure. To its health an answer is an answer.
    | Refused of status: int
    /// The backend failed to answer.
    | Failed of reason: string

[<RequireQualifiedAccess>]
module Outcome =

    /// Whether the backend is to blame. A client that leaves, stalls or breaks the protocol is never
    /// held against the backend, and neither is an answer, whatever its status. Nor is what a client can
    /// bring about on a backend that is well: a body that is refused, and a stream that is quiet; nor what
    /// Conduit itself is short of.
    let countsAgainstBackend outcome =
        match outcome with
        | Outcome.ConnectFailed _
        | Outcome.Reset _
        | Outcome.Garbled _
        | Outcome.TimedOut _
        | Outcome.Truncated _ -> true
        | Outcome.Answered _
        | Outcome.Declined _
        | Outcome.ClientGone
        | Outcome.ClientInvalid _
        | Outcome.BodyTooLarge
        | Outcome.Shortage _
        | Outcome.BodyRefused _
        | Outcome.Quiet _
        | Outcome.Overdue _
        | Outcome.ClientStalled _ -> false

    /// What happened, in a few words for a log line or an API answer.
    let describe outcome =
        match outcome with
        | Outcome.Answered status -> $"answered {status}"
        | Outcome.Declined status -> $"answered {status}, to be tried again"
        | Outcome.ClientGone -> "the client left"
        | Outcome.ClientInvalid reason -> $"invalid request: {reason}"
        | Outcome.BodyTooLarge -> "the request's body is too large"
        | Outcome.ConnectFailed reason -> $"connect failed: {reason}"
        | Outcome.Shortage reason -> $"Conduit is short of something: {reason}"
        | Outcome.Reset reason -> $"connection lost before the response: {reason}"
        | Outcome.Garbled reason -> $"invalid response: {reason}"
        | Outcome.TimedOut reason -> $"timed out: {reason}"
        | Outcome.Truncated reason -> $"response broken off: {reason}"
        | Outcome.BodyRefused reason -> $"request body refused: {reason}"
        | Outcome.Quiet reason -> $"response stalled: {reason}"
        | Outcome.Overdue reason -> $"overdue: {reason}"
        | Outcome.ClientStalled reason -> $"the client stalled: {reason}"

    /// What the outcome says of the backend, of whose answers these statuses count as failures; nothing
    /// where the client is to blame.
    let evidence (failures: StatusSet) outcome : Evidence voption =
        match outcome with
        | Outcome.Answered status
        | Outcome.Declined status when StatusSet.contains status failures ->
            ValueSome(Evidence.Refused status)
        | Outcome.Answered _
        | Outcome.Declined _ -> ValueSome Evidence.Passed
        | failed when countsAgainstBackend failed -> ValueSome(Evidence.Failed(describe failed))
        | _ -> ValueNone
