namespace Conduit.Server

open System
open System.Buffers
open System.IO.Pipelines
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Microsoft.Extensions.Primitives
open Conduit
open Conduit.Transport

/// The response that comes over a connection of our own, on its way to the client.
[<RequireQualifiedAccess>]
module DirectResponse =

    /// The first value of a field, if there is one.
    let field (name: string) (source: Conduit.Transport.ResponseHead) : string | null =
        let mutable found: string | null = null

        for index in source.Count - 1 .. -1 .. 0 do
            if source.Name(index).Equals(name, StringComparison.OrdinalIgnoreCase) then
                found <- source.Value index

        found

    let private connectionOf (source: Conduit.Transport.ResponseHead) =
        let mutable values = StringValues.Empty

        if source.Connection >= 0 then
            for index in source.Connection .. source.Count - 1 do
                if source.Name(index).Equals("Connection", StringComparison.OrdinalIgnoreCase) then
                    values <- StringValues.Concat(&values, source.Value index)

        values

    /// A Content-Length describes no body where chunks do, and none that a 204 could have.
    let private isVoid (source: Conduit.Transport.ResponseHead) (name: string) =
        name.Length = 14
        && (source.IsChunked || source.Status = StatusCodes.Status204NoContent)
        && name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase)

    let private add (headers: IHeaderDictionary) (name: string) (value: string) =
        let before = headers[name]

        headers[name] <-
            if before.Count = 0 then
                StringValues value
            else
                StringValues.Concat(&before, value)

    /// Sets status, reason and headers of the client's response.
    let copyHead (exchange: Exchange) (edits: HeaderEdit list) (source: Conduit.Transport.ResponseHead) =
        let headers = exchange.Http.Response.Headers
        ResponseHead.setStatus exchange.Http source.Status source.Reason
        let named = Headers.namedByConnection (connectionOf source)

        for index in 0 .. source.Count - 1 do
            let name = source.Name index

            if not (Headers.isHopByHop name || Headers.isNamed named name || isVoid source name) then
                add headers name (source.Value index)

        // After a switch of protocols `Upgrade` names the new one; Kestrel adds `Connection` alone.
        if source.Status = StatusCodes.Status101SwitchingProtocols then
            for index in 0 .. source.Count - 1 do
                if source.Name(index).Equals("Upgrade", StringComparison.OrdinalIgnoreCase) then
                    add headers "Upgrade" (source.Value index)

        ResponseHead.finish exchange edits

    let private wait (exchange: Exchange) (flushing: ValueTask<FlushResult>) : ValueTask<FlushResult> =
        ValueTask<FlushResult>(
            task {
                let! flushed = flushing
                exchange.ClientMoved()
                return flushed
            }
        )

    let private flush (exchange: Exchange) (writer: PipeWriter) : ValueTask<FlushResult> =
        exchange.AwaitClient Phase.WritingClient
        let flushing = writer.FlushAsync exchange.Token

        if flushing.IsCompleted then
            exchange.ClientMoved()
            flushing
        else
            wait exchange flushing

    /// Relays pieces through `write`, `first` before the others where there is one, flushing what there is
    /// before waiting for more.
    let private relayBy
        (exchange: Exchange)
        (connection: BackendConnection)
        (write: PipeWriter -> ReadOnlyMemory<byte> -> unit)
        (first: ReadOnlyMemory<byte>)
        : Task = task {
        let write writer (piece: ReadOnlyMemory<byte>) =
            exchange.Record.Sent <- exchange.Record.Sent + int64 piece.Length
            write writer piece

        let mutable piece = ReadOnlyMemory<byte>.Empty
        let mutable hasFlushed = false
        do! exchange.Http.Response.StartAsync()
        let writer = exchange.Http.Response.BodyWriter

        if not first.IsEmpty then
            write writer first

        while not connection.IsBodyEnded do
            if connection.TryReadBody(&piece) then
                write writer piece
            elif not connection.IsBodyEnded then
                let! _ = flush exchange writer
                hasFlushed <- true
                exchange.Phase <- Phase.ReadingBackend
                exchange.Progress()
                let! more = connection.ReadBodyAsync()

                if not more.IsEmpty then
                    write writer more

        // Kestrel sends a response by itself at its end only where nothing of it has been sent before.
        if hasFlushed || exchange.MustFlush then
            let! _ = flush exchange writer
            ()
    }

    /// A piece of the body that is there before the head is out: what cannot be read can still be answered
    /// for with a 502.
    let private firstOf (connection: BackendConnection) =
        let mutable piece = ReadOnlyMemory<byte>.Empty
        connection.TryReadBody &piece |> ignore
        piece

    let private relayChunks (exchange: Exchange) (connection: BackendConnection) : Task = task {
        let response = exchange.Http.Response
        response.Headers.TransferEncoding <- "chunked"
        do! relayBy exchange connection ChunkedBody.write (firstOf connection)
        ChunkedBody.finish response.BodyWriter connection.Trailers
        let! _ = flush exchange response.BodyWriter
        ()
    }

    let private writePlain (writer: PipeWriter) (piece: ReadOnlyMemory<byte>) = writer.Write piece.Span

    let private addTrailers (exchange: Exchange) (connection: BackendConnection) =
        if exchange.IsStream then
            for trailer in connection.Trailers do
                ResponseHead.addTrailer exchange trailer.Key trailer.Value

    let private relayPieces (exchange: Exchange) (connection: BackendConnection) first : Task = task {
        do! relayBy exchange connection writePlain first
        addTrailers exchange connection
    }

    /// A body that has come whole, with its head, goes out without waiting for anything.
    let private relayPlain (exchange: Exchange) (connection: BackendConnection) : Task =
        let first = firstOf connection
        let response = exchange.Http.Response

        if
            connection.IsBodyEnded
            && not exchange.MustFlush
            && response.StartAsync().IsCompletedSuccessfully
        then
            exchange.Record.Sent <- int64 first.Length
            response.BodyWriter.Write first.Span
            addTrailers exchange connection
            Task.CompletedTask
        else
            relayPieces exchange connection first

    /// Sends the body of the response whose head has been copied to the client, as it comes.
    let relay (exchange: Exchange) (connection: BackendConnection) : Task =
        let source = connection.Head

        if connection.IsBodyEnded then
            Task.CompletedTask
        elif ChunkedBody.isWanted exchange.Http.Request source.AnnouncesTrailers source.ContentLength then
            relayChunks exchange connection
        else
            relayPlain exchange connection
