namespace Conduit.Server.Sample

open System
open System.Buffers
open System.IO
open System.Net.WebSockets
open System.Security.Cryptography
open System.Text
open System.Text.Encodings.Web
open System.Text.Json
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features

/// The endpoints whose bodies may be of any size: none of them holds more than one buffer.
[<RequireQualifiedAccess>]
module internal BackendStreams =

    /// Length of a body and its SHA-256 in hexadecimal.
    let private digest (body: Stream) (cancel: CancellationToken) = task {
        use hash = IncrementalHash.CreateHash HashAlgorithmName.SHA256
        let buffer = Array.zeroCreate<byte> 16384
        let mutable length = 0L
        let mutable reading = true

        while reading do
            let! read = body.ReadAsync(Memory buffer, cancel)
            hash.AppendData(buffer, 0, read)
            length <- length + int64 read
            reading <- read > 0

        return struct (length, Convert.ToHexStringLower(hash.GetHashAndReset()))
    }

    /// `UnsafeRelaxedJsonEscaping` is unsafe within HTML only; it leaves a target readable.
    let private jsonOptions =
        JsonWriterOptions(Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping)

    let private describe (ctx: HttpContext) (length: int64) (sha256: string) =
        let buffer = ArrayBufferWriter<byte>()
        use json = new Utf8JsonWriter(buffer, jsonOptions)
        json.WriteStartObject()
        json.WriteString("method", ctx.Request.Method)
        json.WriteString("target", ctx.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget)
        json.WriteString("protocol", ctx.Request.Protocol)
        json.WriteStartObject "headers"

        for header in ctx.Request.Headers do
            json.WriteStartArray header.Key

            for value in header.Value do
                json.WriteStringValue value

            json.WriteEndArray()

        json.WriteEndObject()
        json.WriteNumber("body_length", length)
        json.WriteString("body_sha256", sha256)
        json.WriteEndObject()
        json.Flush()
        buffer.WrittenMemory

    /// Tells what arrived: method, raw target, protocol, headers, and the body's length and digest.
    let echo (_: BackendState) (ctx: HttpContext) : Task = task {
        let! struct (length, sha256) = digest ctx.Request.Body ctx.RequestAborted
        do! BackendReply.bytes 200 "application/json" (describe ctx length sha256) ctx
    }

    /// The most that `/bytes` gives: 1 TiB.
    let private mostBytes = 1L <<< 40

    /// The byte at offset i of any answer of `/bytes` is i mod 251. A prime, so that a piece which is
    /// lost, doubled or moved by a power of two shows; whole periods, so that the buffer can repeat.
    let private pattern = Array.init (251 * 256) (fun i -> byte (i % 251))

    /// Gives `n` bytes.
    let bytes (_: BackendState) (ctx: HttpContext) : Task =
        let send (count: int64) : Task = task {
            ctx.Response.ContentType <- "application/octet-stream"
            ctx.Response.ContentLength <- count
            let mutable left = if HttpMethods.IsHead ctx.Request.Method then 0L else count

            while left > 0L do
                let size = int (min left (int64 pattern.Length))
                do! ctx.Response.Body.WriteAsync(ReadOnlyMemory(pattern, 0, size), ctx.RequestAborted)
                left <- left - int64 size
        }

        BackendReply.withNumber "n" (0L, mostBytes) ValueNone send ctx

    let private sendEvents (state: BackendState) (count: int64) (gap: TimeSpan) (ctx: HttpContext) = task {
        use over =
            CancellationTokenSource.CreateLinkedTokenSource(ctx.RequestAborted, state.Stopping)

        let mutable sent = 0L

        while sent < count && not over.IsCancellationRequested do
            if sent > 0L then
                // A wait that is cut short is the stream's ordinary end when the server stops.
                let wait = Task.Delay(gap, over.Token)
                do! wait.ConfigureAwait ConfigureAwaitOptions.SuppressThrowing

            if not over.IsCancellationRequested then
                sent <- sent + 1L
                let event = Encoding.UTF8.GetBytes $"id: {sent}\ndata: {sent} {state.Name}\n\n"
                do! ctx.Response.Body.WriteAsync(ReadOnlyMemory event, over.Token)
                do! ctx.Response.Body.FlushAsync over.Token
    }

    /// Server-sent events numbered from 1: `count` of them (without it: until either side leaves), one
    /// at once and then one each `ms` milliseconds (1000).
    let events (state: BackendState) (ctx: HttpContext) : Task =
        let send (count: int64) (milliseconds: int64) : Task = task {
            ctx.Response.ContentType <- "text/event-stream"
            ctx.Response.Headers.CacheControl <- "no-cache"
            // So that the headers arrive even when no event ever does.
            do! ctx.Response.StartAsync ctx.RequestAborted
            do! ctx.Response.Body.FlushAsync ctx.RequestAborted

            if not (HttpMethods.IsHead ctx.Request.Method) then
                do! sendEvents state count (TimeSpan.FromMilliseconds(float milliseconds)) ctx
        }

        let paced count =
            BackendReply.withNumber "ms" (0L, 3_600_000L) (ValueSome 1000L) (send count) ctx

        BackendReply.withNumber "count" (0L, Int64.MaxValue) (ValueSome Int64.MaxValue) paced ctx

    /// Sends back each piece as it came, so that fragments stay fragments, and the close with its code.
    let private relay (socket: WebSocket) (cancel: CancellationToken) = task {
        let buffer = Array.zeroCreate<byte> 16384

        while socket.State = WebSocketState.Open do
            let! piece = socket.ReceiveAsync(Memory buffer, cancel)

            if piece.MessageType = WebSocketMessageType.Close then
                // .NET reads a close without a code as 1000, so there is always one to send back.
                let status =
                    socket.CloseStatus
                    |> ValueOption.ofNullable
                    |> ValueOption.defaultValue WebSocketCloseStatus.NormalClosure

                do! socket.CloseOutputAsync(status, socket.CloseStatusDescription, cancel)
            else
                let data = ReadOnlyMemory(buffer, 0, piece.Count)
                do! socket.SendAsync(data, piece.MessageType, piece.EndOfMessage, cancel)
    }

    /// A WebSocket that echoes text, binary and the close.
    let webSocket (state: BackendState) (ctx: HttpContext) : Task =
        if ctx.WebSockets.IsWebSocketRequest then
            task {
                use over =
                    CancellationTokenSource.CreateLinkedTokenSource(ctx.RequestAborted, state.Stopping)

                use! socket = ctx.WebSockets.AcceptWebSocketAsync()

                try
                    do! relay socket over.Token
                with
                // The peer vanished or broke the protocol, or the server stops: nobody is left to tell.
                | :? WebSocketException
                | :? OperationCanceledException -> ()
            }
        else
            ctx.Response.Headers.Upgrade <- "websocket"
            BackendReply.text 426 "WebSocket connections only\n" ctx
