namespace Conduit.Server.Tests

open System
open System.Collections.Concurrent
open System.IO
open System.Net
open System.Net.Sockets
open System.Threading
open System.Threading.Tasks

/// What goes wrong on the way between the balancer and a backend.
type Fault =
    /// Both sides see a reset.
    | Reset
    /// Both sides see the end of the stream.
    | Close
    /// The balancer sees the end of the stream, and what it sends goes on.
    | HalfClose
    /// Nothing comes through any more, and nobody is told.
    | BlackHole
    /// Bytes that belong to no HTTP come in between.
    | Garbage
    /// One byte at a time, with a pause after each, for a while.
    | Drip
    /// A pause, once.
    | Latency
    /// From there on small pieces, with a pause after each.
    | Bandwidth

/// Where it goes wrong: after so many bytes of what goes in this direction.
type FaultPoint =
    | InRequest of bytes: int
    | InResponse of bytes: int

/// A TCP relay in front of a backend that does harm on purpose. The fault of a connection is that of the moment
/// when it was accepted.
[<Sealed>]
type FaultRelay private (listener: Socket, target: int) =

    let sockets = ConcurrentDictionary<Socket, unit>()
    let mutable opened = 0

    [<VolatileField>]
    let mutable fault: (Fault * FaultPoint) option = None

    let reset (socket: Socket) =
        try
            socket.LingerState <- LingerOption(true, 0)
        with :? ObjectDisposedException ->
            ()

        socket.Dispose()

    let pause = TimeSpan.FromMilliseconds 2.0

    /// The size of a narrow connection's pieces, and how many of a drip's there are.
    let narrow, drops = 500, 50
    let garbage = [| 0uy; 255uy; 7uy; 13uy; 13uy; 10uy; 128uy; 1uy; 13uy; 10uy |]

    /// Passes on so many bytes, in pieces of a size.
    let pass (sink: Socket) (data: ReadOnlyMemory<byte>) size wait = task {
        let mutable at = 0

        while at < data.Length do
            let piece = data.Slice(at, min size (data.Length - at))
            let! count = sink.SendAsync(piece, SocketFlags.None)
            at <- at + count

            if wait then
                do! Task.Delay pause
    }

    /// Passes on `data`, of which the first `before` bytes come before the fault. False when nothing more is to be
    /// passed on.
    let harm
        (kind: Fault)
        (client: Socket)
        (backend: Socket)
        (sink: Socket)
        (data: ReadOnlyMemory<byte>)
        before
        = task {
        do! pass sink (data.Slice(0, before)) Int32.MaxValue false
        let rest = data.Slice before

        match kind with
        | Reset ->
            reset client
            reset backend
            return false
        | Close ->
            client.Dispose()
            backend.Dispose()
            return false
        | HalfClose ->
            client.Shutdown SocketShutdown.Send
            return false
        | BlackHole -> return false
        | Garbage ->
            do! pass sink (ReadOnlyMemory garbage) Int32.MaxValue false
            do! pass sink rest Int32.MaxValue false
            return true
        | Drip ->
            let dripping = min drops rest.Length
            do! pass sink (rest.Slice(0, dripping)) 1 true
            do! pass sink (rest.Slice dripping) Int32.MaxValue false
            return true
        | Bandwidth ->
            do! pass sink rest narrow true
            return true
        | Latency ->
            do! Task.Delay 60
            do! pass sink rest Int32.MaxValue false
            return true
    }

    /// Takes what comes and passes nothing on, until its end.
    let swallow (source: Socket) (buffer: byte[]) : Task = task {
        let mutable going = true

        while going do
            let! count = source.ReceiveAsync(buffer.AsMemory(), SocketFlags.None)
            going <- count > 0
    }

    /// One direction of a connection. `point` is where in it something goes wrong.
    let pump (kind: Fault) (point: int option) client backend (source: Socket) (sink: Socket) : Task = task {
        let buffer = Array.zeroCreate<byte> 4096
        let mutable passed = 0
        let mutable going = true

        try
            // A fault at the very beginning needs no bytes.
            if point = Some 0 && kind <> Garbage then
                let! goesOn = harm kind client backend sink ReadOnlyMemory.Empty 0
                going <- goesOn

            while going do
                let! count = source.ReceiveAsync(buffer.AsMemory(), SocketFlags.None)
                let data = ReadOnlyMemory(buffer, 0, count)

                if count = 0 then
                    going <- false
                    sink.Shutdown SocketShutdown.Send
                else
                    let isLater = kind = Drip || kind = Bandwidth

                    match point with
                    | Some point when point < passed + count && (point >= passed || isLater) ->
                        let! goesOn = harm kind client backend sink data (max 0 (point - passed))
                        going <- goesOn
                    | Some point when point = passed + count && not isLater && kind <> Garbage ->
                        let! goesOn = harm kind client backend sink data count
                        going <- goesOn
                    | _ -> do! pass sink data Int32.MaxValue false

                passed <- passed + count

            if kind = BlackHole && point.IsSome then
                do! swallow source buffer
                sink.Shutdown SocketShutdown.Send
        with
        | :? SocketException
        | :? ObjectDisposedException ->
            // One direction that breaks takes the other with it.
            client.Dispose()
            backend.Dispose()
    }

    let relay (client: Socket) : Task = task {
        let current = fault
        sockets[client] <- ()
        client.NoDelay <- true

        use backend =
            new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp, NoDelay = true)

        try
            try
                do! backend.ConnectAsync(IPEndPoint(IPAddress.Loopback, target))

                let kind, up, down =
                    match current with
                    | None -> Close, None, None
                    | Some(kind, InRequest bytes) -> kind, Some bytes, None
                    | Some(kind, InResponse bytes) -> kind, None, Some bytes

                let upwards = pump kind up client backend client backend
                let downwards = pump kind down client backend backend client
                do! Task.WhenAll(upwards, downwards)
                // What is half closed ends when the balancer closes it.
                do! swallow client (Array.zeroCreate<byte> 4096)
            with
            | :? SocketException
            | :? ObjectDisposedException -> ()
        finally
            client.Dispose()
            sockets.TryRemove client |> ignore
    }

    let accept () : Task = task {
        try
            while true do
                let! client = listener.AcceptAsync()
                Interlocked.Increment &opened |> ignore
                relay client |> ignore
        with
        | :? SocketException
        | :? ObjectDisposedException -> ()
    }

    member _.Url = $"http://127.0.0.1:{Loopback.portOf listener}"

    /// The fault of connections that are accepted from now on.
    member _.Fault
        with get () = fault
        and set value = fault <- value

    /// Connections that the balancer has open.
    member _.Open = sockets.Count

    member private _.Begin() = accept () |> ignore

    static member Start(target: int) =
        let listener = Loopback.bind 0
        listener.Listen 128
        let relay = new FaultRelay(listener, target)
        relay.Begin()
        relay

    interface IDisposable with
        member _.Dispose() =
            listener.Dispose()

            for socket in sockets.Keys do
                socket.Dispose()
