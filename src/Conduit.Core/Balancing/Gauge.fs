namespace Conduit

open System
open System.Threading

/// IMPURE: an atomic count of what is under way: the requests in flight over a pool.
[<Sealed>]
type Occupancy() =
    let mutable value = 0

    member _.Value = Volatile.Read &value

    /// One more.
    member _.Enter() = Interlocked.Increment &value |> ignore

    /// One more if there are fewer than `most`.
    member _.TryEnter(most: int) =
        let mutable seen = Volatile.Read &value
        let mutable entered = false

        while not entered && seen < most do
            let found = Interlocked.CompareExchange(&value, seen + 1, seen)
            entered <- (found = seen)
            seen <- found

        entered

    /// One less.
    member _.Leave() = Interlocked.Decrement &value |> ignore

/// IMPURE: atomic cells. The live figures of one backend, read and written by requests without locks.
/// A gauge belongs to a backend's identity and is shared by every snapshot that the backend is in.
/// `pool` counts the requests in flight over all gauges of a pool.
[<Sealed>]
type Gauge(pool: Occupancy) =
    let mutable inFlight = 0
    let mutable streak = 0
    let mutable requests = 0L
    let mutable failures = 0L
    let mutable serverErrors = 0L
    let mutable pace = Pace.toWord Pace.unknown
    let latency = Histogram()
    let counters = Counters()

    [<VolatileField>]
    let mutable watcher: Action | null = null

    let changed () =
        match watcher with
        | null -> ()
        | watcher -> watcher.Invoke()

    let begun () =
        Interlocked.Increment &requests |> ignore
        pool.Enter()
        changed ()

    let change (now: Instant) (took: TimeSpan) isFailure =
        let mutable seen = Volatile.Read &pace
        let mutable going = true

        while going do
            let before = Pace.ofWord seen

            let after =
                if isFailure then
                    Pace.fail now took before
                else
                    Pace.observe now took before

            let found = Interlocked.CompareExchange(&pace, Pace.toWord after, seen)
            going <- found <> seen
            seen <- found

    /// A gauge of no pool.
    new() = Gauge(Occupancy())

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

    /// How long the backend takes to answer, as of late.
    member _.Pace = Pace.ofWord (Volatile.Read &pace)

    /// Sets how long the backend is thought to take before anything is known of it.
    member _.Assume(assumed: Pace) =
        Interlocked.CompareExchange(&pace, Pace.toWord assumed, Pace.toWord Pace.unknown)
        |> ignore

    /// Notes how long a try took, and whether it ended in a failure, or in an answer that tells of one.
    member _.Paced(now, took, isFailure) = change now took isFailure

    /// Is told of each change of the requests in flight, after it; nobody else is any more.
    member _.Watch(told: Action | null) = watcher <- told

    /// What metrics tell of the backend.
    member _.Counters = counters

    /// Adds what another one has counted, at which nothing is counted any more.
    member _.Absorb(other: Gauge) =
        Interlocked.Add(&requests, other.Requests) |> ignore
        counters.Absorb other.Counters

    /// Counts one more request in flight.
    member _.Acquire() =
        Interlocked.Increment &inFlight |> ignore
        begun ()

    /// Counts one more request in flight if there are still `seen` of them.
    member _.TryAcquire seen =
        if Interlocked.CompareExchange(&inFlight, seen + 1, seen) = seen then
            begun ()
            true
        else
            false

    /// Counts one more request in flight if there are fewer than `most`.
    member _.TryAcquireBelow most =
        let mutable seen = Volatile.Read &inFlight
        let mutable acquired = false

        while not acquired && seen < most do
            let found = Interlocked.CompareExchange(&inFlight, seen + 1, seen)
            acquired <- (found = seen)
            seen <- found

        if acquired then
            begun ()

        acquired

    /// Counts one request less in flight.
    member _.Release() =
        Interlocked.Decrement &inFlight |> ignore
        pool.Leave()
        changed ()

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

    /// Whether there is a place.
    member _.HasRoom = Volatile.Read &taken < limit

    /// Gives a place back.
    member _.Leave() = Interlocked.Decrement &taken |> ignore

[<RequireQualifiedAccess>]
module Gauge =

    /// Whether a gauge is one of these.
    let isAmong (gauges: Gauge list) (gauge: Gauge) =
        let mutable rest = gauges
        let mutable found = false

        while not found && not rest.IsEmpty do
            found <- obj.ReferenceEquals(rest.Head, gauge)
            rest <- rest.Tail

        found

/// IMPURE: an atomic counter. Numbers the choices of a pool; survives snapshots like a gauge does.
[<Sealed>]
type Turn() =
    let mutable next = -1L

    /// 0, 1, 2, ...
    member _.Next() = uint64 (Interlocked.Increment &next)
