namespace Conduit.Server

open System
open System.Collections.Concurrent
open System.IO
open System.Net
open System.Net.Http
open System.Text
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Conduit

/// Forwards over HttpClient, to https backends above all. The only module that knows that client.
[<Sealed>]
type HttpClientForwarder() =

    let handler connectTimeout =
        new SocketsHttpHandler(
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            ConnectTimeout = connectTimeout,
            // Shorter than the idle time of common servers, so that they seldom close first.
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds 30.0,
            // A name may get other addresses.
            PooledConnectionLifetime = TimeSpan.FromMinutes 5.0,
            // The client has left: closing is cheaper than reading the rest.
            MaxResponseDrainSize = 0,
            // Bytes in, the same bytes out.
            RequestHeaderEncodingSelector = (fun _ _ -> Encoding.Latin1),
            ResponseHeaderEncodingSelector = (fun _ _ -> Encoding.Latin1)
        )

    let invoker (struct (connectTimeout, scheme)) =
        let handler = handler connectTimeout

        if scheme = Scheme.Https then
            handler.ConnectCallback <- TlsConnect.callback

        new HttpMessageInvoker(handler, disposeHandler = true)

    /// The connect timeout and the scheme belong to the client's handler, so there is one for each pair
    /// that pools use.
    let invokers =
        ConcurrentDictionary<struct (TimeSpan * Scheme), HttpMessageInvoker>()

    let makeInvoker = Func<struct (TimeSpan * Scheme), HttpMessageInvoker> invoker

    /// HttpClient repeats requests without a body by itself when a pooled connection turns out to be
    /// dead. That is right only for idempotent ones; any other is given a body, if an empty one. So are
    /// those with headers that HttpClient sends only along with a body.
    let bodyOf (exchange: Exchange) (timeouts: Timeouts) : RequestBody | null =
        let http = exchange.Http

        let canHaveBody =
            match http.Features.Get<IHttpRequestBodyDetectionFeature>() with
            | null -> true
            | feature -> feature.CanHaveBody

        if canHaveBody || http.Request.ContentLength.HasValue then
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

    let forward (exchange: Exchange) (target: Target) timeouts passage : Task<TryResult> = task {
        let url = target.Backend.Spec.Url
        let body = bodyOf exchange timeouts
        exchange.BeginTry timeouts
        let mutable outcome = Outcome.ClientGone

        try
            use message = HttpClientMessage.create passage exchange url body

            use! source =
                invokers
                    .GetOrAdd(struct (timeouts.Connect, url.Scheme), makeInvoker)
                    .SendAsync(message, exchange.Token)

            let status = int source.StatusCode

            if status < 100 then
                outcome <- Outcome.Garbled $"the status {status}"
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
            forward exchange target timeouts passage

    interface IDisposable with
        member _.Dispose() =
            for invoker in invokers.Values do
                invoker.Dispose()
