namespace Conduit.Server

open System.Diagnostics
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Conduit
open Conduit.Transport

/// What an exchange over a connection of our own comes to.
[<RequireQualifiedAccess>]
module DirectExchange =

    /// More interim responses than these are no conversation.
    let private mostInterim = 32

    /// Whether a connection may carry the requests of others: one that began with the client's address may not.
    let isKept (target: Target) = target.Upstream.SendProxy.IsNone

    /// A new connection; how long it took is counted.
    let connect
        (exchange: Exchange)
        (target: Target)
        (timeouts: Timeouts)
        (pool: BackendPool)
        : Task<BackendConnection> = task {
        let began = Stopwatch.GetTimestamp()
        let! made = pool.ConnectAsync(timeouts.Connect, exchange.Token)
        target.Gauge.Counters.Connect.Record(Stopwatch.GetElapsedTime began)
        return made
    }

    let isInterim (head: Conduit.Transport.ResponseHead) =
        head.Status < 200 && head.Status <> StatusCodes.Status101SwitchingProtocols

    let private isHead (exchange: Exchange) =
        HttpMethods.IsHead exchange.Http.Request.Method

    /// Reads on after an interim head, up to the one that is the answer.
    let readFinalHead (exchange: Exchange) (connection: BackendConnection) : Task = task {
        let mutable interim = 1
        let! _ = connection.ReadHeadAsync(isHead exchange)

        while isInterim connection.Head do
            interim <- interim + 1

            if interim > mostInterim then
                raise (BackendFaultException(BackendFaultKind.Garbled, "interim responses without an end"))

            let! _ = connection.ReadHeadAsync(isHead exchange)
            ()
    }

    let private isDeclined (exchange: Exchange) isSpent (head: Conduit.Transport.ResponseHead) =
        not (isNull exchange.Answers)
        && exchange.Declines(head.Status, DirectResponse.field "Retry-After" head, isSpent)

    /// Sends the client the answer whose head has been read, unless another try is to follow: 1 the head
    /// 2 the body, or the tunnel after a 101. `isSpent`: bytes of the request's body were taken from the client.
    let answer (exchange: Exchange) (passage: Passage) (connection: BackendConnection) isSpent : Task =
        let isSwitch = connection.Head.Status = StatusCodes.Status101SwitchingProtocols

        if isSwitch && isNull (RequestHead.upgrade exchange.Http) then
            raise (BackendFaultException(BackendFaultKind.Garbled, "a switch that nobody asked for"))

        if isDeclined exchange isSpent connection.Head then
            Task.CompletedTask
        else
            DirectResponse.copyHead exchange passage.ResponseHeaders connection.Head

            if isSwitch then
                Tunnel.run exchange (new TunnelStream(connection))
            else
                DirectResponse.relay exchange connection

    /// What `answer` came to that went well. A tunnel on a stream of HTTP/2 is a switch of protocols too, whose
    /// client is told 200.
    let answered (exchange: Exchange) =
        match exchange.Declined with
        | 0 when exchange.Record.IsTunnel -> Outcome.Answered StatusCodes.Status101SwitchingProtocols
        | 0 -> Outcome.Answered exchange.Http.Response.StatusCode
        | status -> Outcome.Declined status

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
