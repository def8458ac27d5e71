namespace Conduit

open System.Threading

/// Why tries fail, as counts tell it.
[<RequireQualifiedAccess>]
module FailureCause =

    let names = [|
        "client_gone"
        "client_invalid"
        "client_stalled"
        "connect_failed"
        "reset"
        "garbled"
        "timed_out"
        "truncated"
        "body_refused"
        "quiet"
        "body_too_large"
        "shortage"
        "overdue"
    |]

    /// Its place among the names; -1 for an answer, which is no failure.
    let indexOf outcome =
        match outcome with
        | Outcome.Answered _
        | Outcome.Declined _ -> -1
        | Outcome.ClientGone -> 0
        | Outcome.ClientInvalid _ -> 1
        | Outcome.ClientStalled _ -> 2
        | Outcome.ConnectFailed _ -> 3
        | Outcome.Reset _ -> 4
        | Outcome.Garbled _ -> 5
        | Outcome.TimedOut _ -> 6
        | Outcome.Truncated _ -> 7
        | Outcome.BodyRefused _ -> 8
        | Outcome.Quiet _ -> 9
        | Outcome.BodyTooLarge -> 10
        | Outcome.Shortage _ -> 11
        | Outcome.Overdue _ -> 12

/// IMPURE: an atomic count.
[<Sealed>]
type Counter() =
    let mutable value = 0L
    member _.Value = Volatile.Read &value

    /// Adding nothing costs nothing.
    member _.Add(amount: int64) =
        if amount <> 0L then
            Interlocked.Add(&value, amount) |> ignore

/// IMPURE: atomic cells. What metrics tell of a backend, or of requests that no backend took. They only
/// go up, and belong to the gauge of a backend's identity.
[<Sealed>]
type Counters() =
    let failed = Array.init FailureCause.names.Length (fun _ -> Counter())

    /// Requests by what the client was answered. The backend is the one that was tried last.
    member val Requests = Tally()

    /// How long these requests took, from their head to the end of the response. Tunnels are not in it.
    member val Duration = TimeHistogram TimeHistogram.RequestBounds

    /// From the head of a request to the head of the backend's response.
    member val FirstByte = TimeHistogram TimeHistogram.RequestBounds

    /// How long new connections took.
    member val Connect = TimeHistogram TimeHistogram.RequestBounds

    /// Bytes of requests' bodies, from clients.
    member val Received = Counter()

    /// Bytes of responses' bodies, to clients.
    member val Sent = Counter()

    /// Tries that another one followed.
    member val Retried = Counter()

    member val ChecksPassed = Counter()
    member val ChecksFailed = Counter()
    member val TurnsUp = Counter()
    member val TurnsDown = Counter()
    member val BreakerOpened = Counter()

    /// Notes how a try ended.
    member _.Tried outcome =
        let index = FailureCause.indexOf outcome

        if index >= 0 then
            failed[index].Add 1L

    /// Failed tries, by the places of `FailureCause.names`.
    member _.Failed: int64[] = failed |> Array.map _.Value

    /// Adds what another one has counted.
    member this.Absorb(other: Counters) =
        this.Requests.Absorb other.Requests
        this.Duration.Absorb other.Duration
        this.FirstByte.Absorb other.FirstByte
        this.Connect.Absorb other.Connect
        this.Received.Add other.Received.Value
        this.Sent.Add other.Sent.Value
        this.Retried.Add other.Retried.Value
        this.ChecksPassed.Add other.ChecksPassed.Value
        this.ChecksFailed.Add other.ChecksFailed.Value
        this.TurnsUp.Add other.TurnsUp.Value
        this.TurnsDown.Add other.TurnsDown.Value
        this.BreakerOpened.Add other.BreakerOpened.Value
        Array.iter2 (fun (own: Counter) count -> own.Add count) failed other.Failed
