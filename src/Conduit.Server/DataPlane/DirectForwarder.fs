namespace Conduit.Server

open System
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Conduit
open Conduit.Transport

/// Forwards over connections of our own: HTTP/1.1 to cleartext backends.
[<Sealed>]
type DirectForwarder(sockets: BackendSockets) =

    let client = new BackendClient(PoolLimits.Default, sockets)

    /// What a backend may wait with its `100 Continue` before it gets the body all the same
    /// (RFC 9110 section 10.1.1).
    let patience = TimeSpan.FromSeconds 1.0

    let canHaveBody (http: HttpContext) =
        // What comes on a stream that becomes a WebSocket is for the tunnel.
        not (RequestHead.isWebSocketStream http)
        && match http.Features.Get<IHttpRequestBodyDetectionFeature>() with
           | null -> true
           | feature -> feature.CanHaveBody

    let expectsContinue (request: HttpRequest) =
        let expect = request.Headers.Expect

        expect.Count > 0
        && (string expect).Contains("100-continue", StringComparison.OrdinalIgnoreCase)

    let rent (exchange: Exchange) (target: Target) (timeouts: Timeouts) = task {
        let url = target.Backend.Spec.Url
        let pool = client.Pool(url.Host, url.Port)

        match
            (if DirectExchange.isKept target then
                 pool.TryRent()
             else
                 (false, null))
        with
        | true, NonNull idle -> return idle
        | _ -> return! DirectExchange.connect exchange target timeouts pool
    }

    /// Reads the first head while the body waits to be asked for: it begins with a 100, or when the backend
    /// lets the question go by.
    let readHeadOrAsk (connection: BackendConnection) (upload: DirectUpload) isHead : Task = task {
        let reading = connection.ReadHeadAsync(isHead).AsTask()
        let! first = Task.WhenAny(reading, Task.Delay patience)

        if not (obj.ReferenceEquals(first, reading)) then
            upload.Start connection

        let! head = reading

        if head.Status = 100 && not upload.IsStarted then
            upload.Start connection
    }

    /// 1 send the head, and the body beside what follows  2 read the head of the answer  3 relay the answer.
    let converse exchange (target: Target) passage (connection: BackendConnection) (upload: DirectUpload) =
        task {
            DirectRequest.write connection.Request passage exchange target true
            let isHead = HttpMethods.IsHead exchange.Http.Request.Method

            if expectsContinue exchange.Http.Request then
                do! connection.SendHeadAsync()
                do! readHeadOrAsk connection upload isHead
            else
                upload.AddTo connection.Request
                do! connection.SendHeadAsync()
                upload.Start connection
                let! _ = connection.ReadHeadAsync isHead
                ()

            if DirectExchange.isInterim connection.Head then
                do! DirectExchange.readFinalHead exchange connection

            upload.IsAnswered <- true
            do! DirectExchange.answer exchange passage connection upload.Spent
            return DirectExchange.answered exchange
        }

    /// 1 take a connection  2 converse over it  3 leave nothing running.
    let forward (exchange: Exchange) target (timeouts: Timeouts) passage : Task<TryResult> = task {
        let upload =
            DirectUpload(
                exchange,
                passage,
                not exchange.Http.Request.ContentLength.HasValue,
                timeouts.Response
            )

        let mutable outcome = Outcome.ClientGone
        let mutable connection: BackendConnection | null = null
        let mutable isDone = false

        try
            exchange.BeginTry timeouts
            let! rented = rent exchange target timeouts
            connection <- rented
            exchange.Arm timeouts.Response
            exchange.Hold rented
            let! answered = converse exchange target passage rented upload
            outcome <- answered
            isDone <- true
        with error ->
            outcome <- DirectExchange.outcomeOf exchange connection upload error

        // Nobody waits any more for what is left of a body. A backend that has answered need not take it, and
        // waiting for that would hold back the end of its answer.
        if not (isDone && upload.IsComplete) then
            exchange.Cancel()

        do! upload.Stop()
        exchange.EndTry()

        match connection with
        | null -> ()
        | connection ->
            exchange.LetGo()
            connection.Release(isDone && upload.IsComplete && DirectExchange.isKept target)

        return {
            Outcome = outcome
            BodySpent = upload.Spent
        }
    }

    interface IForwarder with
        member _.Forward(exchange, target, timeouts, passage) =
            if canHaveBody exchange.Http then
                ValueTask<TryResult>(forward exchange target timeouts passage)
            else
                DirectConversation.Of(exchange, client).Run(target, timeouts, passage)

    interface IDisposable with
        member _.Dispose() = client.Dispose()
