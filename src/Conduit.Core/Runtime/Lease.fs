namespace Conduit

open System

/// What a request that has ended tells the agent: only what can change the state.
[<RequireQualifiedAccess>]
module Lease =

    /// IMPURE: takes one request's place on a backend of the pool; nothing when none is available. The
    /// place must be given back exactly once, with `settle`.
    ///
    /// A strategy that goes by requests in flight takes its place only if the count is still what the
    /// choice saw, and chooses again otherwise; so two requests at once never both take a place that
    /// was the lightest for only one of them.
    let take (tried: Gauge list) (pool: PoolView) : Target voption =
        let mutable taken = ValueNone
        let mutable going = true

        while going do
            match Balancer.pick (pool.Turn.Next()) tried pool with
            | ValueNone -> going <- false
            | ValueSome choice when choice.Seen < 0 ->
                choice.Target.Gauge.Acquire()
                taken <- ValueSome choice.Target
                going <- false
            | ValueSome choice ->
                if choice.Target.Gauge.TryAcquire choice.Seen then
                    taken <- ValueSome choice.Target
                    going <- false

        taken

    /// IMPURE: gives the place back and notes how the try ended, and after how long. Posts to the agent a failure of the
    /// backend, and the success that ends a streak of failures; nothing else is news.
    let settle (post: Event -> unit) (outcome: Outcome) (elapsed: TimeSpan) (target: Target) =
        target.Gauge.Release()

        let tell failure =
            let backend = target.Backend
            post (Event.InPool(target.Pool, PoolEvent.Traffic(backend.Spec.Id, backend.Epoch, failure)))

        if Outcome.countsAgainstBackend outcome then
            target.Gauge.Failed()
            tell (Some(Outcome.describe outcome))
        else
            match outcome with
            | Outcome.Answered status ->
                // A tunnel lasts as long as its users like; that says nothing of the backend.
                if status <> 101 then
                    target.Gauge.Latency.Record elapsed

                if status >= 500 then
                    target.Gauge.AnsweredWithError()

                if target.Gauge.Succeeded() then
                    tell None
            | _ -> ()
