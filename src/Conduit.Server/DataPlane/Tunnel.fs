namespace Conduit.Server

open System
open System.Buffers
open System.IO
open System.Threading.Tasks
open Microsoft.AspNetCore.Http.Features

/// Bytes both ways after a switch of protocols (101), WebSocket above all.
[<RequireQualifiedAccess>]
module Tunnel =

    /// Most tunnels are quiet, or carry small messages; one that fills its buffer gets a larger one.
    let private small = 4096

    let private large = 16384

    let private pump
        (exchange: Exchange)
        (reading: Phase)
        (writing: Phase)
        (source: Stream)
        (write: ReadOnlyMemory<byte> -> Task)
        (note: int -> unit)
        : Task = task {
        let mutable buffer = ArrayPool<byte>.Shared.Rent small

        try
            let mutable going = true

            while going do
                let! read = source.ReadAsync(buffer.AsMemory(), exchange.Token)
                exchange.Progress()
                exchange.Phase <- writing

                if read = 0 then
                    going <- false
                else
                    note read
                    do! write (ReadOnlyMemory(buffer, 0, read))
                    exchange.Progress()
                    exchange.Phase <- reading

                    if read = buffer.Length && read < large then
                        ArrayPool<byte>.Shared.Return buffer
                        buffer <- ArrayPool<byte>.Shared.Rent large
        finally
            ArrayPool<byte>.Shared.Return buffer
    }

    let private ended (direction: Task) : Task = task {
        try
            do! direction
        with
        | :? IOException
        | :? OperationCanceledException -> ()
    }

    let private writeTo (exchange: Exchange) (sink: Stream) (data: ReadOnlyMemory<byte>) : Task = task {
        do! sink.WriteAsync(data, exchange.Token)
        do! sink.FlushAsync exchange.Token
    }

    /// The client's side of the tunnel; null where it has not asked for one.
    let private accept (exchange: Exchange) : Task<Stream> | null =
        if RequestHead.isWebSocketStream exchange.Http then
            match exchange.Http.Features.Get<IHttpExtendedConnectFeature>() with
            | null -> null
            | feature ->
                ResponseHead.acceptStream exchange
                feature.AcceptAsync().AsTask()
        else
            match exchange.Http.Features.Get<IHttpUpgradeFeature>() with
            | null -> null
            | feature -> feature.UpgradeAsync()

    /// The same for a WebSocket, whose client is told when Conduit is about to stop.
    let private relayWebSocket exchange client (relay: (ReadOnlyMemory<byte> -> Task) -> Task) : Task = task {
        let farewell = Farewell(exchange, client)

        let isOver =
            exchange.Lifetime.Ending.UnsafeRegister((fun _ -> farewell.Say()), null)

        try
            do! relay farewell.Write
        finally
            isOver.Dispose()

        do! farewell.Ended()
    }

    /// Relays until one side closes, or nothing has moved for the idle timeout. Bytes in either direction are
    /// progress for both. A protocol that was switched to has its own goodbye, so no end of a tunnel is a
    /// failure.
    let run (exchange: Exchange) (backend: Stream) : Task = task {
        let isWebSocket = RequestHead.isWebSocket exchange.Http

        match accept exchange with
        | null -> ()
        | accepting ->
            exchange.HasNoEnd()
            let record = exchange.Record
            record.IsTunnel <- true
            let! client = accepting
            exchange.Progress()

            let received read =
                record.Received <- record.Received + int64 read

            let sent read = record.Sent <- record.Sent + int64 read

            let relay (toClient: ReadOnlyMemory<byte> -> Task) : Task = task {
                let up =
                    ended (
                        pump
                            exchange
                            Phase.ReadingClient
                            Phase.WritingBackend
                            client
                            (writeTo exchange backend)
                            received
                    )

                let down =
                    ended (pump exchange Phase.ReadingBackend Phase.WritingClient backend toClient sent)

                let! _ = Task.WhenAny(up, down)
                exchange.Cancel()
                do! Task.WhenAll(up, down)
            }

            if isWebSocket then
                do! relayWebSocket exchange client relay
            else
                do! relay (writeTo exchange client)
    }
