namespace Conduit.Server

open System
open System.Collections.Concurrent
open System.Diagnostics
open System.Net
open System.Net.Sockets
open System.Text
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Builder
open Microsoft.AspNetCore.Connections
open Microsoft.AspNetCore.Hosting
open Microsoft.AspNetCore.Hosting.Server
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Microsoft.AspNetCore.Server.Kestrel.Core
open Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets
open Microsoft.Extensions.DependencyInjection
open Microsoft.Extensions.Logging
open Microsoft.Extensions.Options
open Conduit
open Conduit.Transport.Epoll

/// Requests straight from Kestrel: no host, no middleware. The exchange stays with the connection, and with
/// HTTP/2 with the stream, of which Kestrel uses one after the other.
[<Sealed>]
type private ProxyApplication(serve: Exchange -> Task, lifetime: Lifetime, entrance: Entrance) =
    let hsts () = entrance.Current.Hsts
    let clients () = entrance.Current.Clients

    let make () =
        Exchange(lifetime, Deadlines.Shared, clients, hsts)

    interface IHttpApplication<Exchange> with
        member _.CreateContext features =
            let exchange =
                match features with
                | :? Microsoft.AspNetCore.Hosting.Server.Abstractions.IHostContextContainer<Exchange> as kept ->
                    match kept.HostContext with
                    | null ->
                        let made = make ()
                        kept.HostContext <- made
                        made
                    | exchange -> exchange
                | _ -> make ()

            exchange.Begin features
            exchange

        member _.ProcessRequestAsync exchange = serve exchange
        member _.DisposeContext(exchange, _) = exchange.End()

/// Told by Kestrel of each request that it refuses by itself, before there is an exchange for it.
[<Sealed>]
type private Refusals(counts: Rejections) =
    inherit DiagnosticSource()

    let reasonOf status =
        match status with
        | StatusCodes.Status414UriTooLong -> RejectReason.LineTooLong
        | StatusCodes.Status431RequestHeaderFieldsTooLarge -> RejectReason.HeadTooLarge
        | StatusCodes.Status408RequestTimeout -> RejectReason.HeadTooSlow
        | _ -> RejectReason.Malformed

    override _.IsEnabled name =
        name = "Microsoft.AspNetCore.Server.Kestrel.BadRequest"

    override _.Write(_, value) =
        match value with
        | :? IFeatureCollection as features ->
            match features.Get<IBadRequestExceptionFeature>() with
            | null -> ()
            | refused ->
                match refused.Error with
                | :? Microsoft.AspNetCore.Http.BadHttpRequestException as error ->
                    counts.Add(reasonOf error.StatusCode)
                | _ -> ()
        | _ -> ()

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
type private Carrier(transport: Transport, lifetime: Lifetime, loggers: ILoggerFactory) =
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

/// A traffic port.
[<Sealed>]
type Listener
    private
    (
        server: IServer,
        limits: KestrelServerLimits,
        carrier: Carrier,
        lifetime: Lifetime,
        entrance: Entrance,
        endPoint: IPEndPoint
    ) =

    /// While the port drains, connections without a request stay open this long after the last answer:
    /// their clients may be about to send one more, whose answer then says `Connection: close`.
    static let courtesy = TimeSpan.FromSeconds 1.0

    /// So long before the end of a drain, or a quarter of its time, WebSockets are told that it is over.
    static let longestFarewell = TimeSpan.FromSeconds 5.0

    /// The listener has counted the connection.
    static let counted (lifetime: Lifetime) (next: ConnectionDelegate) =
        ConnectionDelegate(fun connection -> task {
            try
                do! next.Invoke connection
            finally
                lifetime.Disconnected()
        })

    /// A line that is too long for us, but not for Kestrel, is answered in `Proxy`: with HTTP/2 Kestrel would
    /// reset its stream. Of larger fields it answers up to twice as much, before it gives a connection of
    /// HTTP/2 up, and so must their compression.
    static let limit (heads: HeadLimits) (clients: ClientLimits) (limits: KestrelServerLimits) =
        limits.MaxRequestLineSize <- max heads.Line (2 * heads.Fields)
        limits.MaxRequestHeadersTotalSize <- heads.Fields
        limits.MaxRequestHeaderCount <- heads.Count
        limits.Http2.MaxRequestHeaderFieldSize <- 2 * heads.Fields
        limits.RequestHeadersTimeout <- clients.HeaderTimeout
        limits.KeepAliveTimeout <- clients.KeepAlive

    static let configure
        (endPoint: IPEndPoint)
        (heads: HeadLimits)
        (lifetime: Lifetime)
        (entrance: Entrance)
        (endings: Http2Endings)
        (options: KestrelServerOptions)
        =
        options.AddServerHeader <- false
        // Bodies are bounded by the exchange: it tells a stream that is quiet from a client that is slow.
        options.Limits.MaxRequestBodySize <- Nullable()
        options.Limits.MinRequestBodyDataRate <- null
        options.Limits.MinResponseDataRate <- null
        options.RequestHeaderEncodingSelector <- fun _ -> Encoding.Latin1
        options.ResponseHeaderEncodingSelector <- fun _ -> Encoding.Latin1

        limit heads entrance.Current.Clients options.Limits
        Http2Limits.set options.Limits.Http2
        let pipelines = Pipelines(entrance, lifetime, endings)
        pipelines.AddInner options

        options.Listen(
            endPoint,
            fun listen ->
                listen.Protocols <- HttpProtocols.Http1
                listen.Use(counted lifetime).Use(pipelines.Enter) |> ignore
        )

    /// The address it is bound to, with the port that the system chose where 0 was asked for.
    member _.EndPoint = endPoint

    /// Where clients reach it.
    member _.Url =
        if entrance.Current.Tls.IsSome then
            $"https://{endPoint}"
        else
            $"http://{endPoint}"

    /// Requests that have begun and not ended.
    member _.Active = lifetime.Active

    /// Connections that clients have open.
    member _.Connections = lifetime.Connections

    /// Sets how large heads may be, and how slow clients, from now on.
    member _.Limit(config: Config) =
        limit config.Heads config.Clients limits

    /// Binds and begins to serve. Requests that Kestrel refuses by itself are counted in `refused`.
    static member Start
        (
            endPoint: IPEndPoint,
            transport: Transport,
            entrance: Entrance,
            heads: HeadLimits,
            refused: Rejections,
            endings: Http2Endings,
            serve,
            loggers: ILoggerFactory
        ) : Task<Listener> = task {
        let lifetime = Lifetime()
        let carrier = Carrier(transport, lifetime, loggers)
        // Only for the services that Kestrel asks for; nothing is hosted.
        let builder = WebApplication.CreateEmptyBuilder(WebApplicationOptions())
        builder.WebHost.UseKestrelCore() |> ignore

        let services =
            builder.Services
                .AddSingleton<ILoggerFactory>(loggers)
                .AddSingleton<IConnectionListenerFactory>(carrier)
                .AddSingleton<DiagnosticSource>(Refusals refused)
                .Configure<KestrelServerOptions>(configure endPoint heads lifetime entrance endings)
                .BuildServiceProvider()

        let server = services.GetRequiredService<IServer>()

        let limits =
            services.GetRequiredService<IOptions<KestrelServerOptions>>().Value.Limits

        do! server.StartAsync(ProxyApplication(serve, lifetime, entrance), CancellationToken.None)

        let bound =
            match carrier.EndPoints with
            | (:? IPEndPoint as bound) :: _ -> bound
            | _ -> endPoint

        endings.Watch bound.Port
        return new Listener(server, limits, carrier, lifetime, entrance, bound)
    }

    /// 1 the listening socket closes  2 connections close after their next answer  3 those without a
    /// request are closed once it has been quiet for a moment  4 WebSockets get a close frame  5 what is left when the timeout ends, or when
    /// `over` is cancelled, is cut off. Gives the number of requests that were cut off.
    member _.Drain(timeout: TimeSpan, over: CancellationToken) : Task<int> = task {
        let clock = Stopwatch.StartNew()
        lifetime.Drain()
        do! carrier.Unbind()
        let last = timeout - min longestFarewell (timeout / 4.0)

        while lifetime.Connections > 0
              && clock.Elapsed < timeout
              && not over.IsCancellationRequested
              && (lifetime.Quiet < courtesy || clock.Elapsed < courtesy) do
            if clock.Elapsed >= last then
                lifetime.End()

            do! Task.Delay(TimeSpan.FromMilliseconds 10.0)

        let cut = lifetime.Active
        // Nothing is in flight, or time is over: either way there is nothing more to wait for.
        use ending =
            new CancellationTokenSource(if cut = 0 then TimeSpan.FromSeconds 1.0 else TimeSpan.Zero)

        do! server.StopAsync ending.Token
        server.Dispose()
        return cut
    }
