namespace Conduit.Server.Tests

open System
open System.Collections.Concurrent
open System.IO
open System.Net
open System.Net.Sockets
open System.Threading
open System.Threading.Tasks

/// Sockets of the loopback address.
module Loopback =

    let bind (port: int) =
        let socket =
            new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)

        socket.Bind(IPEndPoint(IPAddress.Loopback, port))
        socket

    let portOf (socket: Socket) =
        match socket.LocalEndPoint with
        | :? IPEndPoint as bound -> bound.Port
        | _ -> failwith "the socket is not bound"

/// A backend on a free loopback port that follows a script and records what it is asked. A connection
/// that never says anything, as a health check by TCP, is no part of the play.
[<Sealed>]
type ScriptedBackend private (listener: Socket, script: Script) =
    let requests = ConcurrentQueue<Message>()
    let failures = ConcurrentQueue<exn>()
    let sockets = ConcurrentDictionary<Socket, unit>()
    let mutable connections = 0
    let mutable accepted = 0

    let play (socket: Socket) : Task = task {
        sockets[socket] <- ()
        socket.NoDelay <- true
        let wire = Wire socket

        try
            try
                let! speaks = wire.Fill()

                if speaks then
                    let number = Interlocked.Increment &connections - 1
                    do! script (BackendConnection(wire, number, requests.Enqueue))
            with
            // The other side left, or the test is over.
            | :? SocketException
            | :? IOException
            | :? TimeoutException
            | :? OperationCanceledException
            | :? ObjectDisposedException -> ()
            | error -> failures.Enqueue error
        finally
            sockets.TryRemove socket |> ignore
            socket.Dispose()
    }

    let accept () : Task = task {
        try
            while true do
                let! socket = listener.AcceptAsync()
                Interlocked.Increment &accepted |> ignore
                play socket |> ignore
        with
        | :? SocketException
        | :? ObjectDisposedException -> ()
    }

    member _.Port = Loopback.portOf listener
    member this.Url = $"http://127.0.0.1:{this.Port}"

    /// What was asked so far, in order.
    member _.Requests = List.ofSeq requests

    /// The only request there was.
    member this.Request =
        match this.Requests with
        | [ request ] -> request
        | requests -> failwith $"{requests.Length} requests instead of one"

    /// Connections so far on which something was asked.
    member _.Connections = Volatile.Read &connections

    /// All connections so far, health checks too.
    member _.Accepted = Volatile.Read &accepted

    /// Connections that are open now.
    member _.Open = sockets.Count

    /// What went wrong in the script itself.
    member _.Failures = List.ofSeq failures

    member private _.Begin() = accept () |> ignore

    static member Start(script: Script, ?port: int) =
        let listener = Loopback.bind (defaultArg port 0)
        listener.Listen 128
        let backend = new ScriptedBackend(listener, script)
        backend.Begin()
        backend

    interface IDisposable with
        member _.Dispose() =
            listener.Dispose()

            for socket in sockets.Keys do
                socket.Dispose()

/// A port that nothing listens on and nobody else can get: connections to it are refused.
[<Sealed>]
type RefusingPort() =
    let socket = Loopback.bind 0

    member _.Port = Loopback.portOf socket
    member this.Url = $"http://127.0.0.1:{this.Port}"

    /// From now on connections are taken, and nothing is ever said on them.
    member _.Listen() = socket.Listen 16

    interface IDisposable with
        member _.Dispose() = socket.Dispose()
