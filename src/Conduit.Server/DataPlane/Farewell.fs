namespace Conduit.Server

open System
open System.IO
open System.Threading
open System.Threading.Tasks

/// What a backend sends over a WebSocket, on its way to the client. When Conduit is about to stop, the client gets a
/// close frame between two frames (1001: the server is going away), and what comes after it goes nowhere: the
/// client's own close frame then ends the conversation with the backend in order.
[<Sealed>]
type Farewell(exchange: Exchange, client: Stream) =

    static let goingAway = [| 0x88uy; 0x02uy; 0x03uy; 0xE9uy |]

    /// Between two frames, and nobody is writing.
    static let free = 0
    /// A frame of the backend's is on its way.
    static let relaying = 1
    /// A close frame has been sent, or is being sent: nothing may follow it.
    static let closed = 2

    let frames = WebSocketFrames()
    let mutable turn = free

    [<VolatileField>]
    let mutable isWanted = false

    let mutable closing: Task = Task.CompletedTask

    let send (data: ReadOnlyMemory<byte>) : Task = task {
        do! client.WriteAsync(data, exchange.Token)
        do! client.FlushAsync exchange.Token
    }

    /// Ends the conversation, if the turn is still this one and the backend has not ended it.
    let close whence : Task =
        if
            Interlocked.CompareExchange(&turn, closed, whence) = whence
            && not frames.IsClosed
        then
            send (ReadOnlyMemory goingAway)
        else
            Task.CompletedTask

    let tryClose () : Task = task {
        try
            do! close free
        with
        | :? IOException
        | :? OperationCanceledException
        | :? InvalidOperationException -> ()
    }

    let relay (data: ReadOnlyMemory<byte>) : Task = task {
        let count = frames.Take(data.Span, isWanted)
        do! send (data.Slice(0, count))

        if frames.IsBetween then
            if isWanted then
                do! close relaying
            else
                Volatile.Write(&turn, free)

                // Whoever asked meanwhile has found somebody writing.
                if isWanted then
                    do! close free
    }

    /// Relays what the backend has sent, or drops it when the conversation is over.
    member _.Write(data: ReadOnlyMemory<byte>) : Task =
        let before = Interlocked.CompareExchange(&turn, relaying, free)

        if before = closed then Task.CompletedTask else relay data

    /// Ends the conversation as soon as a frame has ended. Throws nothing: a client that is gone needs no farewell.
    member _.Say() =
        isWanted <- true
        closing <- tryClose ()

    /// Ends when nothing is written any more.
    member _.Ended() : Task =
        Interlocked.Exchange(&turn, closed) |> ignore
        closing
