namespace Conduit.Server

open System
open System.IO
open System.Net
open System.Net.Http
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Conduit

/// Forwards over HttpClient, to https backends above all. The only module that knows that client.
[<Sealed>]
type HttpClientForwarder() =

    let upstreams = new Upstreams()

    /// HttpClient repeats requests without a body by itself when a pooled connection turns out to be
    /// dead. That is right only for idempotent ones; any other is given a body, if an empty one. So are
    /// those with headers that HttpClient sends only along with a body.
    let bodyOf (exchange: Exchange) (timeouts: Timeouts) : RequestBody | null =
        let http = exchange.Http

        let canHaveBody =
            match http.Features.Get<IHttpRequestBodyDetectionFeature>() with
            | null -> true
            | feature -> feature.CanHaveBody

        if RequestHead.isWebSocketStream http then
            // What comes is for the tunnel.
            null
        elif canHaveBody || http.Request.ContentLength.HasValue then
            new RequestBody(exchange, http.Request.ContentLength, timeouts.Response)
        elif
            not (Retry.isIdempotent http.Request.Method)
            || Headers.describesBody http.Request.Headers
        then
            new RequestBody(exchange, Nullable 0L, timeouts.Response)
        else
            null

    let isSpent (body: RequestBody | null) =
        match body with
        | null -> false
        | body -> body.Spent

    let clientFault (body: RequestBody | null) =
        match body with
        | null -> None
        | body -> body.ClientFault

    /// A body that is still on its way when the try is over stays where it is.
    let close (body: RequestBody | null) : Task =
        match body with
        | null -> Task.CompletedTask
        | body -> body.Close()

    let answered (body: RequestBody | null) =
        match body with
        | null -> ()
        | body -> body.IsAnswered <- true

    /// A switch of protocols is asked for in HTTP/1.1 only.
    let isHttp2 (exchange: Exchange) (target: Target) timeouts : ValueTask<bool> =
        match RequestHead.upgrade exchange.Http with
        | null -> upstreams.IsHttp2(target.Upstream, target.Backend.Spec.Url, timeouts, exchange.Token)
        | _ -> ValueTask<bool> false

    let isDeclined (exchange: Exchange) body (source: HttpResponseMessage) =
        let retryAfter: string | null =
            match source.Headers.NonValidated.TryGetValues "Retry-After" with
            | true, values -> values.ToString()
            | _ -> null

        not (isNull exchange.Answers)
        && exchange.Declines(int source.StatusCode, retryAfter, isSpent body)

    let forward (exchange: Exchange) (target: Target) timeouts passage : Task<TryResult> = task {
        let url = target.Backend.Spec.Url
        let body = bodyOf exchange timeouts
        exchange.BeginTry timeouts
        let mutable outcome = Outcome.ClientGone

        try
            let! isHttp2 = isHttp2 exchange target timeouts
            use message = HttpClientMessage.create passage exchange url isHttp2 body

            use! source =
                upstreams
                    .Client(target.Upstream, url.Scheme, isHttp2, timeouts.Connect)
                    .SendAsync(message, exchange.Token)

            answered body

            let status = int source.StatusCode

            if status < 100 then
                outcome <- Outcome.Garbled $"the status {status}"
            elif isDeclined exchange body source then
                outcome <- Outcome.Declined status
            else
                ResponseHead.copy exchange passage.ResponseHeaders source

                if source.StatusCode = HttpStatusCode.SwitchingProtocols then
                    use backend = source.Content.ReadAsStream()
                    do! Tunnel.run exchange backend
                else
                    do! ResponseBody.relay exchange source

                outcome <- Outcome.Answered status
        with error ->
            outcome <- FailedTry.outcome exchange (clientFault body) error

            match outcome with
            | Outcome.ConnectFailed _ -> upstreams.Forget(target.Upstream, url)
            | _ -> ()

        do! close body
        exchange.EndTry()

        return {
            Outcome = outcome
            BodySpent = isSpent body
        }
    }

    interface IForwarder with
        /// 1 build the request  2 send it  3 relay the head  4 relay the body, or the tunnel after a 101
        /// 5 leave nothing running.
        member _.Forward(exchange, target, timeouts, passage) =
            ValueTask<TryResult>(forward exchange target timeouts passage)

    interface IDisposable with
        member _.Dispose() = (upstreams :> IDisposable).Dispose()
