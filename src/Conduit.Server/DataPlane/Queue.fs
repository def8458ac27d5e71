namespace Conduit.Server

open System
open System.Diagnostics
open System.Threading.Tasks
open Conduit

/// How waiting for a place on a backend ended.
[<Struct; RequireQualifiedAccess; NoEquality; NoComparison>]
type Place =
    | Taken of target: Target
    /// No backend of the pool is available.
    | Unavailable
    /// As many wait already as may.
    | QueueFull
    /// The time for waiting is over.
    | QueueTimeout
    | ClientGone

/// Requests beyond a pool's limit wait for a place, the one that came first at the head. They wait for the
/// pool, not for one of its backends: one that goes down holds nobody back.
[<RequireQualifiedAccess>]
module Queue =

    /// Lets everybody who waits look again: the backends are no longer what they were.
    let lookAgain (snapshot: Snapshot) =
        for pool in snapshot.Pools do
            match pool.Line with
            | null -> ()
            | line -> line.CallAll()

    /// Whether others wait for the pool's places already: who comes now waits behind them.
    let isBusy (pool: PoolView) =
        match pool.Line with
        | null -> false
        | line -> line.Count > 0

    /// A waiter looks again after this time without a call: another configuration calls nobody.
    let private recheck = TimeSpan.FromSeconds 1.0

    /// Waits in line until `look` finds a place, or it is no use any more.
    let private wait
        (exchange: Exchange)
        (agent: Agent)
        (look: PoolView -> Target voption)
        (pool: PoolName)
        (timeout: TimeSpan)
        (waiter: Waiter)
        : Task<Place> = task {
        let begun = Stopwatch.GetTimestamp()
        let mutable place = ValueNone

        while place.IsNone do
            waiter.Rearm()

            match Snapshot.pool pool agent.Current with
            | ValueSome pool when pool.Available.Length > 0 ->
                match look pool with
                | ValueSome target -> place <- ValueSome(Place.Taken target)
                | ValueNone ->
                    let left = timeout - Stopwatch.GetElapsedTime begun

                    if exchange.ClientGone then
                        place <- ValueSome Place.ClientGone
                    elif left <= TimeSpan.Zero then
                        place <- ValueSome Place.QueueTimeout
                    else
                        try
                            do! waiter.Called.WaitAsync(min left recheck, exchange.Token)
                        with
                        | :? TimeoutException -> ()
                        | :? OperationCanceledException -> place <- ValueSome Place.ClientGone
            | _ -> place <- ValueSome Place.Unavailable

        return place.Value
    }

    /// A place on a backend of the pool, for which the request waits where it must and may.
    let take
        (exchange: Exchange)
        (agent: Agent)
        (look: PoolView -> Target voption)
        (pool: PoolView)
        : Task<Place> = task {
        match pool.Line, pool.Source.Settings.Limit with
        | NonNull line, Some limit when pool.Available.Length > 0 ->
            match line.TryJoin limit.QueueLength with
            | null ->
                pool.Rejections.Add RejectReason.QueueFull
                return Place.QueueFull
            | waiter ->
                exchange.Renew()

                try
                    let! place = wait exchange agent look pool.Source.Name limit.QueueTimeout waiter

                    if place.IsQueueTimeout then
                        pool.Rejections.Add RejectReason.QueueTimeout

                    return place
                finally
                    line.Leave waiter
        | _ -> return Place.Unavailable
    }
