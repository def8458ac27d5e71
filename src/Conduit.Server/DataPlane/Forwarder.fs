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

/// Turns the exceptions of a try into its outcome: the only place where that happens.
[<RequireQualifiedAccess>]
module private FailedTry =

    let private ofRequest (error: HttpRequestException) =
        match error.HttpRequestError with
        | HttpRequestError.ConnectionError -> Outcome.ConnectFailed "connection refused or unreachable"
        | HttpRequestError.NameResolutionError -> Outcome.ConnectFailed "the host's name has no address"
        | HttpRequestError.SecureConnectionError -> Outcome.ConnectFailed "the TLS handshake failed"
        | HttpRequestError.ResponseEnded -> Outcome.Reset "the backend closed the connection"
        | HttpRequestError.InvalidResponse -> Outcome.Garbled "not HTTP"
        | HttpRequestError.ConfigurationLimitExceeded -> Outcome.Garbled "the headers are too large"
        | _ ->
            match error.InnerException with
            | :? IOException -> Outcome.Reset "the backend reset the connection"
            | _ -> Outcome.Garbled error.Message

    let private ofPhase phase ended =
        match phase with
        | Phase.ReadingClient
        | Phase.WritingClient -> Outcome.ClientStalled ended
        | Phase.ReadingBackend -> Outcome.Quiet ended
        | _ -> Outcome.TimedOut ended

    let outcome (exchange: Exchange) (body: RequestBody | null) (error: exn) =
        let clientFault =
            match body with
            | null -> None
            | body -> body.ClientFault

        match error, clientFault with
        | _ when exchange.ClientGone -> Outcome.ClientGone
        | _, Some(:? BadHttpRequestException as fault) -> Outcome.ClientInvalid fault.Message
        | :? OperationCanceledException, _ when exchange.Token.IsCancellationRequested ->
            match exchange.Phase with
            | Phase.AwaitingHead -> Outcome.TimedOut "no response within the response timeout"
            | phase -> ofPhase phase "no progress within the idle timeout"
        | _, Some(:? IOException) -> Outcome.ClientGone
        | :? OperationCanceledException, _ -> Outcome.ConnectFailed "no connection within the connect timeout"
        | (:? IOException | :? HttpRequestException), _ when exchange.Phase = Phase.WritingBackend ->
            Outcome.BodyRefused "the backend broke the connection"
        | :? HttpRequestException as error, _ -> ofRequest error
        | :? IOException, _ when exchange.Phase = Phase.ReadingBackend ->
            Outcome.Truncated "the backend broke the connection"
        | :? IOException, _ when exchange.Phase = Phase.WritingClient -> Outcome.ClientGone
        | :? IOException, _ -> Outcome.Reset "the backend broke the connection"
        | error, _ -> Outcome.Garbled $"{error.GetType().Name}: {error.Message}"

/// One try of a request.
[<Struct; NoEquality; NoComparison>]
type TryResult = {
    Outcome: Outcome
    /// Bytes of the request's body are gone.
    BodySpent: bool
}

/// Sends a request to a backend and relays the answer, over HttpClient. The only module that knows the
/// client; it never throws.
[<Sealed>]
type Forwarder() =

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

    /// A body that is still on its way when the try is over stays where it is.
    let close (body: RequestBody | null) : Task =
        match body with
        | null -> Task.CompletedTask
        | body -> body.Close()

    /// 1 build the request  2 send it  3 relay the head  4 relay the body, or the tunnel after a 101
    /// 5 leave nothing running.
    member _.Forward
        (exchange: Exchange, target: Target, timeouts: Timeouts, passage: Passage)
        : Task<TryResult> = task {
        let url = target.Backend.Spec.Url
        let body = bodyOf exchange timeouts
        exchange.BeginTry timeouts
        let mutable outcome = Outcome.ClientGone

        try
            use message = RequestHead.create passage exchange url body

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
                    do! Tunnel.run exchange source
                else
                    do! ResponseBody.relay exchange source

                outcome <- Outcome.Answered status
        with error ->
            outcome <- FailedTry.outcome exchange body error

        do! close body
        exchange.EndTry()

        return {
            Outcome = outcome
            BodySpent = isSpent body
        }
    }

    interface IDisposable with
        member _.Dispose() =
            for invoker in invokers.Values do
                invoker.Dispose()
