namespace Conduit.Server.Tests

open System
open System.Net
open System.Net.Sockets
open System.Threading.Tasks

/// A client that says exactly what it is told to.
[<Sealed>]
type RawClient private (socket: Socket) =
    let wire = Wire socket

    static member Connect(port: int) : Task<RawClient> = task {
        let socket = new Socket(SocketType.Stream, ProtocolType.Tcp)
        socket.NoDelay <- true
        do! socket.ConnectAsync(IPAddress.Loopback, port)
        return new RawClient(socket)
    }

    member _.Wire = wire
    member _.Send(text: string) : Task = wire.Send text
    member _.Send(bytes: byte[]) : Task = wire.Send bytes

    /// The next response's head.
    member _.ReadHead() : Task<Message> = task {
        match! Framing.readHead wire with
        | Some head -> return head
        | None -> return failwith "the connection was closed instead of a response"
    }

    /// The next response, whole.
    member this.ReadResponse() : Task<Message> = task {
        let! head = this.ReadHead()
        return! Framing.readResponseBody wire false head
    }

    /// The next response, to a HEAD request.
    member this.ReadResponseToHead() : Task<Message> = this.ReadHead()

    /// Sends a request and reads its response.
    member this.Ask(request: string) : Task<Message> = task {
        do! this.Send request
        return! this.ReadResponse()
    }

    /// Ends the sending side; the response may still be read.
    member _.Finish() = wire.Finish()

    /// Breaks off, as a client does that crashes.
    member _.Reset() = wire.Reset()

    interface IDisposable with
        member _.Dispose() = socket.Dispose()
