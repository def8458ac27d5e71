namespace Conduit

open System.Threading

/// IMPURE: atomic cells. The live figures of one backend, read and written by requests without locks.
/// A gauge belongs to a backend's identity and is shared by every snapshot that the backend is in.
[<Sealed>]
type Gauge() =
    let mutable inFlight = 0
    let mutable streak = 0
    let mutable requests = 0L
    let mutable failures = 0L
    let mutable serverErrors = 0L
    let latency = Histogram()

    /// Requests that have been sent to the backend and have not ended.
    member _.InFlight = Volatile.Read &inFlight

    /// Tries that were begun, since the backend joined.
    member _.Requests = Volatile.Read &requests

    /// Tries that ended in a failure of the backend, since it joined.
    member _.Failures = Volatile.Read &failures

    /// Tries that the backend answered with a status from 500 on, since it joined.
    member _.ServerErrors = Volatile.Read &serverErrors

    /// How long answered requests took, from their sending to the last byte of the response.
    member _.Latency = latency

    /// Counts one more request in flight.
    member _.Acquire() =
        Interlocked.Increment &inFlight |> ignore
        Interlocked.Increment &requests |> ignore

    /// Counts one more request in flight if there are still `seen` of them.
    member _.TryAcquire seen =
        if Interlocked.CompareExchange(&inFlight, seen + 1, seen) = seen then
            Interlocked.Increment &requests |> ignore
            true
        else
            false

    /// Counts one request less in flight.
    member _.Release() =
        Interlocked.Decrement &inFlight |> ignore

    /// Notes a failure of the backend.
    member _.Failed() =
        Interlocked.Increment &streak |> ignore
        Interlocked.Increment &failures |> ignore

    /// Notes an answer with a status from 500 on.
    member _.AnsweredWithError() =
        Interlocked.Increment &serverErrors |> ignore

    /// Notes an answer that counts as a failure.
    member _.Refused() = Interlocked.Increment &streak |> ignore

    /// Notes a success, and says whether it ended a streak of failures.
    member _.Succeeded() =
        Volatile.Read &streak <> 0 && Interlocked.Exchange(&streak, 0) <> 0

/// IMPURE: an atomic counter. The places for trials on a backend whose breaker is half-open.
[<Sealed>]
type Trials(limit: int) =
    let mutable taken = 0

    /// Takes a place if there is one.
    member _.TryEnter() =
        let mutable seen = Volatile.Read &taken
        let mutable entered = false

        while not entered && seen < limit do
            let found = Interlocked.CompareExchange(&taken, seen + 1, seen)
            entered <- (found = seen)
            seen <- found

        entered

    /// Gives a place back.
    member _.Leave() = Interlocked.Decrement &taken |> ignore

/// IMPURE: an atomic counter. Numbers the choices of a pool; survives snapshots like a gauge does.
[<Sealed>]
type Turn() =
    let mutable next = -1L

    /// 0, 1, 2, ...
    member _.Next() = uint64 (Interlocked.Increment &next)
