namespace Conduit.Tests

open System
open System.Net
open System.Net.Sockets
open System.Threading
open System.Threading.Tasks
open Conduit.Transport.Epoll

/// A fact about the event loops, which Linux alone has.
[<Sealed>]
type LoopFactAttribute() as this =
    inherit Xunit.FactAttribute()

    do
        if not EventLoops.IsSupported then
            this.Skip <- "event loops are Linux's"

/// A connection of an event loop, and its other end.
[<Sealed>]
type internal LoopPair private (loop: LoopSocket, peer: Socket) =

    /// Longer than anything here takes.
    static member val Patience = TimeSpan.FromSeconds 20.0

    member _.Loop = loop
    member _.Peer = peer

    /// A socket with a free port of the loopback.
    static member Bound() =
        let socket =
            new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)

        socket.Bind(IPEndPoint(IPAddress.Loopback, 0))
        socket

    static member Listen() =
        let listener = LoopPair.Bound()
        listener.Listen 128
        listener

    static member PortOf(socket: Socket) =
        match socket.LocalEndPoint with
        | :? IPEndPoint as bound -> bound.Port
        | _ -> failwith "the socket is not bound"

    static member Open() : Task<LoopPair> = task {
        use listener = LoopPair.Listen()
        let accepting = listener.AcceptAsync()

        let! channel =
            LoopConnect.ConnectAsync("127.0.0.1", LoopPair.PortOf listener, CancellationToken.None)

        let! peer = accepting

        match channel with
        | :? LoopSocket as loop -> return new LoopPair(loop, peer)
        | _ -> return failwith "no socket of a loop"
    }

    /// Breaks off: the loop's end sees a reset.
    member _.Reset() =
        peer.LingerState <- LingerOption(true, 0)
        peer.Dispose()

    /// Waits until the loop has been told that the peer is gone.
    member _.PeerGone() : Task = task {
        while not loop.IsPeerClosed do
            do! Task.Delay 1
    }

    interface IDisposable with
        member _.Dispose() =
            peer.Dispose()
            loop.Close()
