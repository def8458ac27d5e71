namespace Conduit.Server

open System
open System.Buffers
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Conduit

/// Keeping a small body for further tries.
[<RequireQualifiedAccess>]
module KeepBody =

    /// How many bytes to keep; 0 where the body is none, too large, of unknown length, or of no use: a request
    /// that is not idempotent is not sent twice.
    let private size (settings: RetrySettings) (request: HttpRequest) =
        let length = request.ContentLength

        if
            length.HasValue
            && length.Value <= int64 settings.Buffer
            && Retry.isIdempotent request.Method
            && request.Headers.Expect.Count = 0
        then
            int length.Value
        else
            0

    /// Whether the request's body is to be kept. Room for it is reserved then.
    let isWanted (settings: RetrySettings) (request: HttpRequest) =
        settings.Buffer > 0
        && settings.Most > 0
        && size settings request > 0
        && KeptBody.TryReserve(size settings request)

    /// Reads the body; the client has the idle timeout for each piece of it.
    let private readAll (exchange: Exchange) (body: byte[]) : Task = task {
        let source = exchange.Http.Request.BodyReader
        let mutable length = 0
        let mutable going = true

        while going do
            exchange.AwaitClient Phase.ReadingClient
            let! read = source.ReadAsync exchange.Token
            let buffer = read.Buffer
            exchange.Record.Received <- exchange.Record.Received + buffer.Length
            exchange.ClientMoved()
            buffer.CopyTo(Span<byte>(body, length, body.Length - length))
            length <- length + int buffer.Length
            source.AdvanceTo buffer.End
            going <- not read.IsCompleted

        // It counts when it is sent.
        exchange.Record.Received <- 0L
    }

    /// Reads the body and puts it in the place of the client's; the outcome is what went wrong with it.
    let read (settings: PoolSettings) (exchange: Exchange) : Task<Result<KeptBody, Outcome>> = task {
        let body = Array.zeroCreate<byte>(size settings.Retry exchange.Http.Request)

        try
            exchange.BeginTry(RouteTimeouts.over settings.Timeouts exchange.Journey.Passage.Timeouts)
            do! readAll exchange body
            exchange.EndTry()
            return Ok(KeptBody.Put(exchange.Http, body))
        with error ->
            exchange.EndTry()
            KeptBody.GiveBack body.Length
            return Error(FailedTry.outcome exchange (Some error) error)
    }
