namespace Conduit.Server

open System.Collections.Concurrent
open System.Diagnostics
open System.Net
open System.Net.Sockets
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Connections
open Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets
open Microsoft.Extensions.Logging
open Microsoft.Extensions.Options
open Conduit
open Conduit.Transport.Epoll

/// Counts connections as soon as they are accepted, so that a port that drains knows of all that it has.
[<Sealed>]
type private CountingListener(inner: IConnectionListener, lifetime: Lifetime) =

    let over = TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)

    let accept (cancellation: CancellationToken) : Task<ConnectionContext | null> = task {
        let mutable accepted: ConnectionContext | null = null

        try
            let! connection = inner.AcceptAsync cancellation
            accepted <- connection
        finally
            match accepted with
            | null -> over.TrySetResult() |> ignore
            | _ -> lifetime.Connected()

        return accepted
    }

    /// Ends once everything that was accepted is counted, after the port has closed.
    member _.Over: Task = over.Task

    interface IConnectionListener with
        member _.EndPoint = inner.EndPoint

        member _.AcceptAsync cancellation =
            ValueTask<ConnectionContext | null>(accept cancellation)

        member _.UnbindAsync cancellation = inner.UnbindAsync cancellation
        member _.DisposeAsync() = inner.DisposeAsync()

/// The sockets beneath Kestrel, kept hold of, so that the port can be closed while connections live on.
[<Sealed>]
type Carrier(transport: Transport, lifetime: Lifetime, loggers: ILoggerFactory) =
    let sockets = ConcurrentBag<Socket>()
    let bound = ConcurrentBag<CountingListener>()

    let bind (endPoint: EndPoint) =
        let socket =
            ListenSockets.OfProcess.Bind(endPoint, SocketTransportOptions.CreateDefaultBoundListenSocket)

        Delivery.bound socket
        sockets.Add socket
        socket

    let close (socket: Socket) =
        ListenSockets.OfProcess.Leave socket
        socket.Dispose()

    // Either way what waits for a socket goes on, on the thread that saw it: nothing on the way may block.
    let inner: IConnectionListenerFactory =
        match Transport.chosen transport with
        | Transport.Epoll -> LoopTransport(bind, close)
        | _ ->
            SocketTransportFactory(
                Options.Create(
                    SocketTransportOptions(
                        UnsafePreferInlineScheduling = true,
                        CreateBoundListenSocket = bind
                    )
                ),
                loggers
            )

    let sparing (listener: IConnectionListener) : IConnectionListener =
        match Transport.chosen transport with
        | Transport.Epoll -> listener
        | _ -> SparingListener listener

    /// Closes the port. A connection that waits to be accepted at that moment would be reset by the
    /// system, so first new ones are kept out and those that are being opened get time to be accepted. Where
    /// other processes have the port too, it stays open for them, and they accept what comes.
    member _.Unbind() : Task = task {
        let clock = Stopwatch.StartNew()
        let waits (socket: Socket) = socket.Poll(0, SelectMode.SelectRead)

        let own =
            sockets |> Seq.filter (ListenSockets.OfProcess.IsShared >> not) |> List.ofSeq

        List.iter Handshakes.refuse own

        while not own.IsEmpty
              && (clock.Elapsed < Handshakes.time
                  || (List.exists waits own && clock.Elapsed < 2.0 * Handshakes.time)) do
            do! Task.Delay 1

        // The loops do so themselves, when they no longer wait for it.
        if Transport.chosen transport <> Transport.Epoll then
            Seq.iter ListenSockets.OfProcess.Leave sockets

        for listener in bound do
            do! (listener :> IConnectionListener).UnbindAsync()

        do! Task.WhenAll(bound |> Seq.map _.Over)
    }

    member _.EndPoints =
        bound
        |> Seq.map (fun listener -> (listener :> IConnectionListener).EndPoint)
        |> Seq.toList

    interface IConnectionListenerFactory with
        member _.BindAsync(endPoint, cancellation) =
            ValueTask<IConnectionListener>(
                task {
                    match endPoint with
                    | :? InnerEndPoint as inside -> return InnerListener inside :> IConnectionListener
                    | endPoint ->
                        let! made = inner.BindAsync(endPoint, cancellation)
                        let listener = CountingListener(sparing made, lifetime)
                        bound.Add listener
                        return listener :> IConnectionListener
                }
            )
