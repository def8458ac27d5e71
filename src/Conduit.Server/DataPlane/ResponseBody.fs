namespace Conduit.Server

open System
open System.Buffers
open System.Collections.Generic
open System.IO
open System.Net.Http
open System.Threading.Tasks
open Microsoft.AspNetCore.Http

/// The backend's body on its way to the client: what comes is sent on at once.
[<RequireQualifiedAccess>]
module ResponseBody =

    /// Bodies of a known length up to this are read straight into the client's send buffer.
    let private small = 4096L

    let private bufferSize = 64 * 1024

    let private hasNone (request: HttpRequest) (source: HttpResponseMessage) (length: Nullable<int64>) =
        HttpMethods.IsHead request.Method
        || int source.StatusCode = 204
        || int source.StatusCode = 304
        || length.Equals(Nullable 0L)

    /// A body that keeps the client waiting must not keep the head back too. Waits for the body's first
    /// bytes without taking them.
    let private awaitBody (exchange: Exchange) (stream: Stream) : Task = task {
        exchange.Progress()
        exchange.Phase <- Phase.ReadingBackend
        let arrived = stream.ReadAsync(Memory<byte>.Empty, exchange.Token)

        if not arrived.IsCompleted then
            do! exchange.Http.Response.Body.FlushAsync exchange.Token

        let! _ = arrived
        ()
    }

    /// A body that fits the send buffer: no buffer of its own, and one send when it comes in one piece.
    /// The idle timeout begins only where something has to be waited for.
    let private relaySmall (exchange: Exchange) (length: int64) (stream: Stream) : Task = task {
        let writer = exchange.Http.Response.BodyWriter
        let mutable left = int length
        do! awaitBody exchange stream

        while left > 0 do
            exchange.Phase <- Phase.ReadingBackend

            let reading =
                stream.ReadAsync(writer.GetMemory(left).Slice(0, left), exchange.Token)

            if not reading.IsCompleted then
                exchange.Progress()

            let! read = reading
            // The stream itself fails when the body ends early.
            left <- if read = 0 then 0 else left - read
            writer.Advance read
            exchange.Record.Sent <- exchange.Record.Sent + int64 read
            exchange.Phase <- Phase.WritingClient
            let writing = writer.FlushAsync exchange.Token

            if writing.IsCompleted then
                let! _ = writing
                ()
            else
                exchange.AwaitClient Phase.WritingClient
                let! _ = writing
                exchange.ClientMoved()
    }

    let private relayLarge
        (exchange: Exchange)
        (stream: Stream)
        (write: ReadOnlyMemory<byte> -> ValueTask)
        : Task = task {
        do! awaitBody exchange stream
        let buffer = ArrayPool<byte>.Shared.Rent bufferSize

        try
            let mutable going = true

            while going do
                exchange.Phase <- Phase.ReadingBackend
                let! read = stream.ReadAsync(buffer.AsMemory(), exchange.Token)
                exchange.Progress()

                if read = 0 then
                    going <- false
                else
                    exchange.AwaitClient Phase.WritingClient
                    exchange.Record.Sent <- exchange.Record.Sent + int64 read
                    do! write (ReadOnlyMemory(buffer, 0, read))
                    exchange.ClientMoved()
                    exchange.Progress()
        finally
            ArrayPool<byte>.Shared.Return buffer
    }

    let private trailersOf (source: HttpResponseMessage) = seq {
        for trailer in source.TrailingHeaders.NonValidated do
            for value in trailer.Value do
                KeyValuePair(trailer.Key, value)
    }

    let private relayWithTrailers (exchange: Exchange) source (stream: Stream) : Task = task {
        let response = exchange.Http.Response
        response.Headers.TransferEncoding <- "chunked"
        let writer = response.BodyWriter
        // Kestrel's writer has room for nothing before the response has started.
        do! response.StartAsync exchange.Token

        let flush () : Task = task {
            let! _ = writer.FlushAsync exchange.Token
            ()
        }

        do!
            relayLarge exchange stream (fun data ->
                ChunkedBody.write writer data
                ValueTask(flush ()))

        ChunkedBody.finish writer (trailersOf source)
        do! flush ()
    }

    /// Lets the response end with the backend's trailers, where its protocol has them at the end of any body.
    let private addTrailers (exchange: Exchange) source =
        if exchange.IsStream then
            for trailer in trailersOf source do
                ResponseHead.addTrailer exchange trailer.Key trailer.Value

    let private relayThenTrailers (exchange: Exchange) source (relaying: Task) : Task = task {
        do! relaying
        addTrailers exchange source
    }

    /// Sends the body of `source`, whose head has been copied, to the client, flushing as it comes.
    let relay (exchange: Exchange) (source: HttpResponseMessage) : Task =
        let http = exchange.Http
        let length = ResponseHead.length source

        if hasNone http.Request source length then
            Task.CompletedTask
        else
            let stream = source.Content.ReadAsStream()

            if length.HasValue && length.Value <= small then
                relaySmall exchange length.Value stream |> relayThenTrailers exchange source
            elif
                ChunkedBody.isWanted
                    http.Request
                    (source.Headers.NonValidated.Contains "Trailer")
                    (if length.HasValue then length.Value else -1L)
            then
                relayWithTrailers exchange source stream
            else
                relayLarge exchange stream (fun data -> http.Response.Body.WriteAsync(data, exchange.Token))
                |> relayThenTrailers exchange source
