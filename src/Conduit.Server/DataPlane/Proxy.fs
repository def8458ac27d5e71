namespace Conduit.Server

open System
open System.Diagnostics
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Conduit

/// What the data plane needs.
type ProxyEnv = {
    Agent: Agent
    /// Tells the agent.
    Post: Event -> unit
    Forwarder: IForwarder
    /// The clock of the agent's instants.
    Now: unit -> Instant
    /// Whether `X-Forwarded-*` from anybody is believed.
    TrustForwarded: unit -> bool
    /// Those whose `X-Forwarded-*` is believed.
    Proxies: unit -> AddressSet
    /// Bytes that the first line of a request may have.
    LongestLine: unit -> int
    /// Counts requests that are refused for their heads.
    Refused: Rejections
    /// What answers a target on the traffic port itself, where the operator has asked for that.
    Local: string -> (HttpContext -> Task) option
    /// The header by which requests are known; null for none.
    IdHeader: unit -> string | null
    Log: Log
    /// Told of each request once it is over; must not throw.
    Ended: Exchange -> unit
}

/// What becomes of a request once its way is known.
[<Struct; NoEquality; NoComparison; RequireQualifiedAccess>]
type private Step =
    /// It is sent to a backend.
    | Forward of result: ValueTask<TryResult>
    /// Whatever else: it is answered, or has to wait first.
    | Answer of answer: Task

/// The data plane: what becomes of a request, step by step; each step is a module of its own.
[<RequireQualifiedAccess>]
module Proxy =

    let private backendOf (target: Target) = BackendId.value target.Backend.Spec.Id

    let private answer env (exchange: Exchange) backend (reason: string) (answer: Answer) =
        exchange.Record.Cause <- reason
        env.Log.RequestFailed(exchange.Http.TraceIdentifier, answer.Status, backend, reason)
        Respond.send exchange answer

    /// What the client is told of a try that failed.
    let private fail env (exchange: Exchange) backend outcome : Task =
        let reason = Outcome.describe outcome

        match Answer.ofOutcome outcome with
        | None ->
            // Nobody is there to be answered, and nothing may be made up.
            exchange.Record.Cause <- reason
            Account.cut exchange
            Task.CompletedTask
        | Some own when not exchange.Http.Response.HasStarted ->
            Stickiness.forget exchange.Http
            answer env exchange backend reason own
        | Some _ ->
            // The status is out: only a cut connection can still tell the client.
            exchange.Record.Cause <- reason
            env.Log.ResponseCut(exchange.Http.TraceIdentifier, backend, reason)
            Account.cut exchange
            Task.CompletedTask

    /// What the client is told where there was no place for its request.
    let private refuse env exchange place retryAfter : Task =
        let unavailable reason =
            answer env exchange "-" reason (Answer.unavailable retryAfter)

        match place with
        | Place.ClientGone -> fail env exchange "-" Outcome.ClientGone
        | Place.QueueFull -> unavailable "the queue is full"
        | Place.QueueTimeout -> unavailable "the time in the queue is over"
        | Place.Unavailable
        | Place.Taken _ -> unavailable "no backend is available"

    /// A place on a backend of the pool; nothing when there is none at the moment.
    let private look (env: ProxyEnv) (exchange: Exchange) (pool: PoolView) : Target voption =
        let journey = exchange.Journey
        let passage = journey.Passage

        let demand = {
            Now = env.Now()
            Key = AffinityKey.ofRequest pool.Source.Settings (env.Proxies()) exchange.Http passage.Path
            Tried = journey.Tried
        }

        Stickiness.take demand (env.Proxies()) passage.TrustForwarded exchange.Http pool

    /// The same for a request that has just come: not before those that wait in line.
    let private placeFor env exchange (pool: PoolView) : Target voption =
        if Queue.isBusy pool then
            ValueNone
        else
            look env exchange pool

    /// Sends the request to a backend on which it has a place.
    let private send (env: ProxyEnv) (exchange: Exchange) (pool: PoolView) target : ValueTask<TryResult> =
        let journey = exchange.Journey
        journey.Target <- target
        journey.HasPlace <- true
        journey.Sent <- env.Now()

        let timeouts =
            RouteTimeouts.over pool.Source.Settings.Timeouts journey.Passage.Timeouts
            |> Retrying.timeouts journey.Tries

        exchange.Answers <- Retrying.answers journey.Tries exchange.Http.Request
        env.Forwarder.Forward(exchange, target, timeouts, journey.Passage)

    /// Gives the place back and notes how the try ended. Says whether another is to follow.
    let private settle (env: ProxyEnv) (exchange: Exchange) (pool: PoolView) (result: TryResult) : bool =
        let journey = exchange.Journey
        let target = journey.Target
        let ended = env.Now()
        let elapsed = Instant.elapsed journey.Sent ended
        Lease.observe result.Outcome ended (exchange.TimeToHead |> ValueOption.defaultValue elapsed) target
        journey.HasPlace <- false
        Lease.settle env.Post result.Outcome elapsed target
        Account.tried exchange target result.Outcome

        if result.Outcome = Outcome.BodyTooLarge then
            pool.Rejections.Add RejectReason.BodyTooLarge

        Retrying.mayFollow journey.Tries (Retrying.spent journey.Tries exchange result) result.Outcome

    /// Makes ready for the try that follows a failed one. Gives its pool, if there still is one and the client has
    /// not left meanwhile.
    let private prepare env (exchange: Exchange) (pool: PoolView) outcome : Task<PoolView voption> = task {
        let journey = exchange.Journey
        let target = journey.Target
        env.Log.Retrying(exchange.Http.TraceIdentifier, backendOf target, Outcome.describe outcome)
        Account.retried target
        do! Retrying.prepare journey.Tries exchange pool journey.Tried target outcome
        journey.Tried <- target.Gauge :: journey.Tried

        let next =
            if exchange.ClientGone then
                ValueNone
            else
                Snapshot.pool journey.Passage.Pool env.Agent.Current

        match next with
        | ValueSome pool -> journey.Tries <- Tries.next pool env.Now journey.Tries.Begun journey.Tried
        | ValueNone -> ()

        return next
    }

    let private conclude env (exchange: Exchange) outcome : Task =
        match outcome with
        | Outcome.Answered _ -> Task.CompletedTask
        | _ when exchange.ClientGone ->
            fail env exchange (backendOf exchange.Journey.Target) Outcome.ClientGone
        | outcome -> fail env exchange (backendOf exchange.Journey.Target) outcome

    /// What only some requests need. 1 wait for a place  2 forward  3 settle  4 perhaps try again. `last` is how
    /// the try before ended, if there was one.
    let private persist (env: ProxyEnv) (exchange: Exchange) first (before: Outcome voption) : Task = task {
        let mutable pool: PoolView voption = first
        let mutable last = before

        while pool.IsSome do
            let view = pool.Value
            pool <- ValueNone

            let! place =
                match placeFor env exchange view with
                | ValueSome target -> Task.FromResult(Place.Taken target)
                | ValueNone -> Queue.take exchange env.Agent (look env exchange) view

            match place with
            | Place.Taken target ->
                let! result = send env exchange view target
                last <- ValueSome result.Outcome

                if settle env exchange view result then
                    let! next = prepare env exchange view result.Outcome
                    pool <- next
            | refused when last.IsNone ->
                do! refuse env exchange refused (PoolSettings.retryAfter view.Source.Settings)
            | _ -> ()

        match last with
        | ValueSome outcome -> do! conclude env exchange outcome
        | ValueNone -> ()
    }

    /// The tries that follow the first.
    let private tryAgain env exchange pool outcome : Task = task {
        let! next = prepare env exchange pool outcome
        do! persist env exchange next (ValueSome outcome)
    }

    /// With a body that is kept for further tries.
    let private sendKept env (exchange: Exchange) (pool: PoolView) : Task = task {
        match! KeepBody.read pool.Source.Settings exchange with
        | Error outcome -> do! fail env exchange "-" outcome
        | Ok body ->
            exchange.Keep body

            try
                do! persist env exchange (ValueSome pool) ValueNone
            finally
                exchange.Release()
    }

    /// Takes the request into its pool and takes a lease on a backend; or answers why not.
    let private admit (env: ProxyEnv) (exchange: Exchange) (passage: Passage) : Step =
        let journey = exchange.Journey
        journey.Begin passage

        match Snapshot.pool passage.Pool env.Agent.Current with
        | ValueNone -> Step.Answer(refuse env exchange Place.Unavailable TimeSpan.Zero)
        | ValueSome pool ->
            match Admission.enter (env.Now()) (env.Proxies()) exchange.Http pool with
            | ValueSome refused -> Step.Answer(answer env exchange "-" refused.Text refused.Answer)
            | ValueNone ->
                journey.Admitted <- ValueSome pool
                journey.Tries <- Tries.next pool env.Now (env.Now()) []

                if KeepBody.isWanted pool.Source.Settings.Retry exchange.Http.Request then
                    Step.Answer(sendKept env exchange pool)
                else
                    match placeFor env exchange pool with
                    | ValueSome target -> Step.Forward(send env exchange pool target)
                    | ValueNone -> Step.Answer(persist env exchange (ValueSome pool) ValueNone)

    let private turnAway env exchange reason own =
        Step.Answer(answer env exchange "-" reason own)

    let private route (env: ProxyEnv) (exchange: Exchange) : Step =
        let http = exchange.Http

        let target =
            match http.Features.Get<IHttpRequestFeature>() with
            | null -> ""
            | feature -> feature.RawTarget

        match RequestHead.originForm target, Objection.find http with
        | _ when HeadLimits.line http.Request.Method target > env.LongestLine() ->
            env.Refused.Add RejectReason.LineTooLong
            turnAway env exchange "a request line that is too long" Answer.lineTooLong
        | _, Some(reason, own) -> turnAway env exchange reason own
        | _ when
            HttpMethods.IsConnect http.Request.Method
            && not (RequestHead.isWebSocketStream http)
            ->
            turnAway env exchange "CONNECT" Answer.connectUnsupported
        | ValueNone, None -> turnAway env exchange "a target that is no path" Answer.targetUnsupported
        | ValueSome path, None ->
            match env.Local path with
            | Some handler ->
                RequestId.giveBack exchange
                Step.Answer(handler http)
            | None ->
                let trust = env.TrustForwarded() || ClientAddress.isToldBy (env.Proxies()) http

                match Passage.find trust http.Request path env.Agent.Current with
                | ValueSome passage -> admit env exchange passage
                | ValueNone -> turnAway env exchange "no route" Answer.noRoute

    /// How the first try ended, and those that follow it, if any do.
    let private follow env (exchange: Exchange) (result: TryResult) : Task =
        let pool = exchange.Journey.Admitted.Value

        if settle env exchange pool result then
            tryAgain env exchange pool result.Outcome
        else
            conclude env exchange result.Outcome

    let private leave env (exchange: Exchange) =
        let journey = exchange.Journey

        if journey.HasPlace then
            // Only a defect leaves one.
            journey.HasPlace <- false
            Target.leave journey.Target

        match journey.Admitted with
        | ValueSome pool ->
            journey.Admitted <- ValueNone
            Admission.leave pool
        | ValueNone -> ()

        exchange.Finish()
        env.Ended exchange
        exchange.Lifetime.Leave()

    /// Serves one request: 1 find its way, admit it, take a lease on a backend and forward  2 settle, answer what
    /// failed, perhaps try again  3 leave. Throws nothing: a defect is logged and answered 500. It is the
    /// only task that most requests need.
    let serve (env: ProxyEnv) (exchange: Exchange) : Task = task {
        exchange.Lifetime.Enter()
        exchange.Record.Begin(Stopwatch.GetTimestamp())
        RequestId.take (env.IdHeader()) exchange

        try
            try
                match route env exchange with
                | Step.Answer answering -> do! answering
                | Step.Forward forwarding ->
                    let! result = forwarding
                    do! follow env exchange result
            with error ->
                env.Log.HandlerFailed(exchange.Http.TraceIdentifier, error)
                exchange.Record.Cause <- "a defect in Conduit"

                if exchange.Http.Response.HasStarted then
                    Account.cut exchange
                else
                    do! Respond.send exchange Answer.defect
        finally
            leave env exchange
    }
