namespace Conduit

open System

/// What a request that has ended tells the agent: only what can change the state.
[<RequireQualifiedAccess>]
module Lease =

    /// The first target from `start` on that has room for one more, of those that were not tried or else of
    /// the others.
    let private spare (tried: Gauge list) (pool: PoolView) (start: uint64) : Target voption =
        let available = pool.Available
        let first = int (start % uint64 available.Length)
        let mutable found = ValueNone
        let mutable step = 0

        // Twice round: the second time for those that were tried.
        while found.IsNone && step < 2 * available.Length do
            let target = available[(first + step) % available.Length]
            let isTheirTurn = step >= available.Length

            if Balancer.wasTried tried target = isTheirTurn && Target.tryEnter -1 target then
                found <- ValueSome target

            step <- step + 1

        found

    /// Choices that find no room before any place will do.
    let private mostDetours = 8

    /// IMPURE: takes one request's place on a backend of the pool; nothing when none is available, or none
    /// has room. The place must be given back exactly once, with `settle`. A backend whose breaker is
    /// half-open has as many places as trials are allowed, and a pool may limit requests in flight; when the places
    /// are taken, the strategy chooses again among the others, a few times, so that shares, loads and the order
    /// of a key count there too.
    ///
    /// A strategy that goes by requests in flight takes its place only if the count is still what the
    /// choice saw, and chooses again otherwise; so two requests at once never both take a place that
    /// was the lightest for only one of them.
    let take (demand: Demand) (pool: PoolView) : Target voption =
        let mutable taken = ValueNone
        let mutable going = true
        let mutable passed = demand.Tried
        let mutable detours = min mostDetours (pool.Available.Length - 1)

        while going do
            let turn = pool.Turn.Next()

            match Balancer.pick turn { demand with Tried = passed } pool with
            | ValueNone -> going <- false
            | ValueSome choice when Target.tryEnter choice.Seen choice.Target ->
                taken <- ValueSome choice.Target
                going <- false
            // Somebody else was there first: the choice rests on what is no longer so.
            | ValueSome choice when choice.Seen >= 0 && Target.hasRoom choice.Target -> ()
            | ValueSome choice when detours > 0 && not (Balancer.wasTried passed choice.Target) ->
                passed <- choice.Target.Gauge :: passed
                detours <- detours - 1
            | ValueSome _ ->
                taken <- spare demand.Tried pool turn
                going <- false

        taken

    /// IMPURE: takes one request's place on this backend, if it still serves the sessions that it has and has
    /// room. The place must be given back like that of `take`.
    let hold (target: Target) =
        Backend.keepsSessions target.Backend && Target.tryEnter -1 target

    /// Whether an outcome tells that the backend does not do its work, or wants less of it.
    let private isRefusal outcome =
        match outcome with
        | Outcome.Answered status -> status >= 500 || status = 429
        | _ -> Outcome.countsAgainstBackend outcome

    /// Tunnels last as long as their users like, and clients leave when they like; that says nothing of the
    /// backend.
    let private tellsPace outcome =
        match outcome with
        | Outcome.Answered status -> status <> 101
        | _ -> Outcome.countsAgainstBackend outcome

    /// IMPURE: notes how a try ended at an instant, and how long it took up to the head of its answer or to its
    /// failure, for the choices that go by time.
    let observe (outcome: Outcome) now (took: TimeSpan) (target: Target) =
        if tellsPace outcome then
            target.Gauge.Paced(now, took, isRefusal outcome)

    /// IMPURE: gives the place back and notes how the try ended, and after how long. Posts to the agent a
    /// failure of the backend, the success that ends a streak of failures, and the success of a trial;
    /// nothing else is news.
    let settle (post: Event -> unit) (outcome: Outcome) (elapsed: TimeSpan) (target: Target) =
        Target.leave target

        let tell evidence =
            let backend = target.Backend
            post (Event.InPool(target.Pool, PoolEvent.Traffic(backend.Spec.Id, backend.Epoch, evidence)))

        match outcome with
        | Outcome.Answered status
        | Outcome.Declined status ->
            // A tunnel lasts as long as its users like; that says nothing of the backend.
            if status <> 101 then
                target.Gauge.Latency.Record elapsed

            if status >= 500 then
                target.Gauge.AnsweredWithError()
        | _ -> ()

        match Outcome.evidence target.Failures outcome with
        | ValueNone -> ()
        | ValueSome Evidence.Passed ->
            if target.Gauge.Succeeded() || not (isNull target.Trials) then
                tell Evidence.Passed
        | ValueSome(Evidence.Refused _ as evidence) ->
            target.Gauge.Refused()
            tell evidence
        | ValueSome(Evidence.Failed _ as evidence) ->
            target.Gauge.Failed()
            tell evidence
