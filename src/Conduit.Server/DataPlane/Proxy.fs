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

/// The data plane on one screen.
[<RequireQualifiedAccess>]
module Proxy =

    /// The pause before a backend that has just failed is tried again, for want of another.
    let private pause tries =
        TimeSpan.FromMilliseconds(10.0 * float (1 <<< min tries 6))

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
        | Some own when not exchange.Http.Response.HasStarted -> answer env exchange backend reason own
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

    /// 1 read the snapshot  2 take a lease on a backend, waiting where it must  3 forward  4 settle the lease
    /// 5 perhaps try another  6 answer for what failed.
    let private balance (env: ProxyEnv) (exchange: Exchange) (passage: Passage) : Task = task {
        let http = exchange.Http
        let begun = env.Now()
        let mutable tried: Gauge list = []
        let mutable refusal = Place.Unavailable
        let mutable last = ValueNone
        let mutable retryAfter = TimeSpan.Zero
        let mutable going = true

        while going do
            going <- false

            match Snapshot.pool passage.Pool env.Agent.Current with
            | ValueNone -> ()
            | ValueSome pool ->
                let settings = pool.Source.Settings
                retryAfter <- PoolSettings.retryAfter settings
                let tries = Tries.next pool env.Now begun tried

                let demand = {
                    Now = env.Now()
                    Key = AffinityKey.ofRequest settings (env.Proxies()) http passage.Path
                    Tried = tried
                }

                let mutable lease =
                    if Queue.isBusy pool then
                        ValueNone
                    else
                        Stickiness.take demand (env.Proxies()) passage.TrustForwarded http pool

                if lease.IsNone then
                    let look pool =
                        let demand = { demand with Now = env.Now() }
                        Stickiness.take demand (env.Proxies()) passage.TrustForwarded http pool

                    match! Queue.take exchange env.Agent look pool with
                    | Place.Taken target -> lease <- ValueSome target
                    | refused -> refusal <- refused

                match lease with
                | ValueNone -> ()
                | ValueSome target ->
                    let sent = env.Now()

                    let timeouts =
                        RouteTimeouts.over settings.Timeouts passage.Timeouts |> Retrying.timeouts tries

                    exchange.Answers <- Retrying.answers tries http.Request
                    let! result = env.Forwarder.Forward(exchange, target, timeouts, passage)

                    let ended = env.Now()
                    let elapsed = Instant.elapsed sent ended
                    let answeredIn = exchange.TimeToHead |> ValueOption.defaultValue elapsed
                    Lease.observe result.Outcome ended answeredIn target
                    Lease.settle env.Agent.Post result.Outcome elapsed target
                    Account.tried exchange target result.Outcome
                    last <- ValueSome(struct (target, result.Outcome))

                    if result.Outcome = Outcome.BodyTooLarge then
                        pool.Rejections.Add RejectReason.BodyTooLarge

                    if Retrying.mayFollow tries (Retrying.spent tries exchange result) result.Outcome then
                        env.Log.Retrying(
                            http.TraceIdentifier,
                            backendOf target,
                            Outcome.describe result.Outcome
                        )

                        Account.retried target
                        do! Retrying.prepare tries exchange pool tried target result.Outcome
                        tried <- target.Gauge :: tried
                        going <- true

        match last with
        | ValueSome(struct (_, Outcome.Answered _)) -> ()
        | ValueSome(struct (target, outcome)) -> do! fail env exchange (backendOf target) outcome
        | ValueNone -> do! refuse env exchange refusal retryAfter
    }

    /// The same, with a body that is kept for further tries.
    let private balanceKept (env: ProxyEnv) (exchange: Exchange) (passage: Passage) pool : Task = task {
        match! KeepBody.read pool.Source.Settings exchange with
        | Error outcome -> do! fail env exchange "-" outcome
        | Ok body ->
            exchange.Keep body

            try
                do! balance env exchange passage
            finally
                exchange.Release()
    }

    /// Takes the request into its pool, or answers why not.
    let private admit (env: ProxyEnv) (exchange: Exchange) (passage: Passage) : Task = task {
        match Snapshot.pool passage.Pool env.Agent.Current with
        | ValueNone -> do! balance env exchange passage
        | ValueSome pool ->
            match Admission.enter (env.Now()) (env.Proxies()) exchange.Http pool with
            | ValueSome refused -> do! answer env exchange "-" refused.Text refused.Answer
            | ValueNone ->
                try
                    if KeepBody.isWanted pool.Source.Settings.Retry exchange.Http.Request then
                        do! balanceKept env exchange passage pool
                    else
                        do! balance env exchange passage
                finally
                    Admission.leave pool
    }

    /// HttpClient takes `get` for `GET`; a server need not.
    let private isMiswritten (method: string) =
        not (Retry.isKnown method) && Retry.isKnown (method.ToUpperInvariant())

    /// What must not reach a backend, because it would understand it in another way than Kestrel does.
    let private objection (http: HttpContext) =
        let coding = http.Request.Headers.TransferEncoding

        if isMiswritten http.Request.Method then
            Some("a method in lower case", Answer.methodUnsupported)
        elif coding.Count = 0 then
            None
        elif http.Request.Headers.ContainsKey "X-Content-Length" then
            // Kestrel's name for a Content-Length that came beside it.
            Some("two framings", Answer.twoFramings)
        elif not ((string coding).Equals("chunked", StringComparison.OrdinalIgnoreCase)) then
            Some("a transfer coding besides chunked", Answer.codingUnsupported)
        else
            None

    let private route (env: ProxyEnv) (exchange: Exchange) : Task =
        let http = exchange.Http

        let target =
            match http.Features.Get<IHttpRequestFeature>() with
            | null -> ""
            | feature -> feature.RawTarget

        match RequestHead.originForm target, objection http with
        | _ when HeadLimits.line http.Request.Method target > env.LongestLine() ->
            env.Refused.Add RejectReason.LineTooLong
            answer env exchange "-" "a request line that is too long" Answer.lineTooLong
        | _, Some(reason, own) -> answer env exchange "-" reason own
        | _ when
            HttpMethods.IsConnect http.Request.Method
            && not (RequestHead.isWebSocketStream http)
            ->
            answer env exchange "-" "CONNECT" Answer.connectUnsupported
        | ValueNone, None -> answer env exchange "-" "a target that is no path" Answer.targetUnsupported
        | ValueSome path, None ->
            match env.Local path with
            | Some handler -> handler http
            | None ->
                let trust = env.TrustForwarded() || ClientAddress.isToldBy (env.Proxies()) http

                match Passage.find trust http.Request path env.Agent.Current with
                | ValueSome passage -> admit env exchange passage
                | ValueNone -> answer env exchange "-" "no route" Answer.noRoute

    /// Serves one request. Throws nothing: a defect is logged and answered 500.
    let serve (env: ProxyEnv) (exchange: Exchange) : Task = task {
        exchange.Lifetime.Enter()
        exchange.Record.Begin(Stopwatch.GetTimestamp())
        RequestId.take (env.IdHeader()) exchange

        try
            try
                do! route env exchange
            with error ->
                env.Log.HandlerFailed(exchange.Http.TraceIdentifier, error)
                exchange.Record.Cause <- "a defect in Conduit"

                if exchange.Http.Response.HasStarted then
                    Account.cut exchange
                else
                    do! Respond.send exchange Answer.defect
        finally
            env.Ended exchange
            exchange.Lifetime.Leave()
    }
