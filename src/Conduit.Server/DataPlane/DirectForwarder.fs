namespace Conduit.Server

open System
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Conduit
open Conduit.Transport

/// Forwards over connections of our own: HTTP/1.1 to cleartext backends.
[<Sealed>]
type DirectForwarder() =

    let client = new BackendClient(PoolLimits.Default)

    /// What a backend may wait with its `100 Continue` before it gets the body all the same
    /// (RFC 9110 section 10.1.1).
    let patience = TimeSpan.FromSeconds 1.0

    /// More interim responses than these are no conversation.
    let mostInterim = 32

    let uploadOf (exchange: Exchange) (timeouts: Timeouts) : DirectUpload | null =
        let http = exchange.Http

        let canHaveBody =
            match http.Features.Get<IHttpRequestBodyDetectionFeature>() with
            | null -> true
            | feature -> feature.CanHaveBody

        if canHaveBody then
            DirectUpload(exchange, not http.Request.ContentLength.HasValue, timeouts.Response)
        else
            null

    let expectsContinue (request: HttpRequest) =
        let expect = request.Headers.Expect

        expect.Count > 0
        && (string expect).Contains("100-continue", StringComparison.OrdinalIgnoreCase)

    let rent (exchange: Exchange) (url: BackendUrl) (timeouts: Timeouts) isChecked isFresh = task {
        let pool = client.Pool(url.Host, url.Port)

        match (if isFresh then (false, null) else pool.TryRent isChecked) with
        | true, NonNull idle -> return idle
        | _ -> return! pool.ConnectAsync(timeouts.Connect, exchange.Token)
    }

    let isInterim (head: Conduit.Transport.ResponseHead) =
        head.Status < 200 && head.Status <> StatusCodes.Status101SwitchingProtocols

    /// Reads the first head while the body waits to be asked for: it begins with a 100, or when the backend
    /// lets the question go by.
    let readHeadOrAsk (connection: BackendConnection) (upload: DirectUpload) isHead = task {
        let reading = connection.ReadHeadAsync(isHead).AsTask()
        let! first = Task.WhenAny(reading, Task.Delay patience)

        if not (obj.ReferenceEquals(first, reading)) then
            upload.Start connection

        let! head = reading

        if head.Status = 100 && not upload.IsStarted then
            upload.Start connection

        return head
    }

    /// Reads on after an interim head, up to the one that is the answer.
    let readFinalHead (connection: BackendConnection) isHead = task {
        let mutable interim = 1
        let! next = connection.ReadHeadAsync isHead
        let mutable head = next

        while isInterim head do
            interim <- interim + 1

            if interim > mostInterim then
                raise (BackendFaultException(BackendFaultKind.Garbled, "interim responses without an end"))

            let! next = connection.ReadHeadAsync isHead
            head <- next

        return head
    }

    /// 1 send the head, and the body beside what follows  2 read the head of the answer
    /// 3 relay the head  4 relay the body, or the tunnel after a 101. Gives the status.
    let converse
        (exchange: Exchange)
        (url: BackendUrl)
        (passage: Passage)
        (connection: BackendConnection)
        (upload: DirectUpload | null)
        : Task<int> = task {
        DirectRequest.Write(connection.Request, passage, exchange, url, not (isNull upload))
        let isHead = HttpMethods.IsHead exchange.Http.Request.Method
        let mutable head = connection.Head

        match upload with
        | NonNull upload when expectsContinue exchange.Http.Request ->
            do! connection.SendHeadAsync()
            let! first = readHeadOrAsk connection upload isHead
            head <- first
        | upload ->
            match upload with
            | null -> ()
            | upload -> upload.AddTo connection.Request

            do! connection.SendHeadAsync()

            match upload with
            | null -> ()
            | upload -> upload.Start connection

            let! first = connection.ReadHeadAsync isHead
            head <- first

        if isInterim head then
            let! final = readFinalHead connection isHead
            head <- final

        match upload with
        | null -> ()
        | upload -> upload.IsAnswered <- true

        if head.Status = StatusCodes.Status101SwitchingProtocols then
            if isNull (RequestHead.upgrade exchange.Http) then
                raise (BackendFaultException(BackendFaultKind.Garbled, "a switch that nobody asked for"))

            DirectResponse.copyHead exchange passage.ResponseHeaders head
            do! Tunnel.run exchange (new TunnelStream(connection))
        else
            DirectResponse.copyHead exchange passage.ResponseHeaders head
            do! DirectResponse.relay exchange connection

        return head.Status
    }

    /// Whether a kept connection was closed by the backend just then, before it saw the request: that says
    /// nothing about the backend, and a new connection tells.
    let isStale
        (exchange: Exchange)
        (connection: BackendConnection | null)
        (upload: DirectUpload | null)
        error
        =
        match connection, (error: exn) with
        | NonNull connection, (:? BackendFaultException as fault) ->
            connection.IsReused
            && not connection.HasAnswered
            && (fault.Kind = BackendFaultKind.Closed || fault.Kind = BackendFaultKind.Refused)
            && isNull upload
            && Retry.isIdempotent exchange.Http.Request.Method
        | _ -> false

    let outcomeOf exchange (connection: BackendConnection | null) (upload: DirectUpload | null) (error: exn) =
        let clientFault, isRefused =
            match upload with
            | null -> None, false
            | upload -> upload.ClientFault, upload.IsRefused

        let hasAnswered =
            match connection with
            | null -> false
            | connection -> connection.HasAnswered

        match FailedTry.outcome exchange clientFault error with
        | Outcome.Reset why when isRefused && not hasAnswered -> Outcome.BodyRefused why
        | Outcome.BodyRefused why when isNull upload -> Outcome.Reset why
        | outcome -> outcome

    interface IForwarder with
        /// 1 take a connection  2 converse over it  3 leave nothing running.
        member _.Forward(exchange, target, timeouts, passage) = task {
            let url = target.Backend.Spec.Url
            let upload = uploadOf exchange timeouts

            let isChecked =
                not (isNull upload) || not (Retry.isIdempotent exchange.Http.Request.Method)

            let mutable outcome = Outcome.ClientGone
            let mutable isFresh = false
            let mutable going = true

            while going do
                going <- false
                let mutable connection: BackendConnection | null = null
                let mutable isDone = false

                try
                    exchange.BeginTry timeouts
                    let! rented = rent exchange url timeouts isChecked isFresh
                    connection <- rented
                    exchange.Arm timeouts.Response
                    exchange.Hold rented
                    let! status = converse exchange url passage rented upload
                    outcome <- Outcome.Answered status
                    isDone <- true
                with error ->
                    if not isFresh && isStale exchange connection upload error then
                        isFresh <- true
                        going <- true
                    else
                        outcome <- outcomeOf exchange connection upload error

                match upload with
                | null -> ()
                | upload ->
                    if not isDone then
                        exchange.Cancel()

                    do! upload.Stop()

                exchange.EndTry()

                match connection with
                | null -> ()
                | connection ->
                    exchange.LetGo()

                    let isSent =
                        match upload with
                        | null -> true
                        | upload -> upload.IsComplete

                    connection.Release(isDone && isSent)

            return {
                Outcome = outcome
                BodySpent =
                    match upload with
                    | null -> false
                    | upload -> upload.Spent
            }
        }

    interface IDisposable with
        member _.Dispose() = client.Dispose()
