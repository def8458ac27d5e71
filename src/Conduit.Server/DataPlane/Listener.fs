namespace Conduit.Server

open System
open System.Diagnostics
open System.Net
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Connections
open Microsoft.AspNetCore.Connections.Features
open Microsoft.AspNetCore.Hosting
open Microsoft.AspNetCore.Hosting.Server
open Microsoft.AspNetCore.Server.Kestrel.Core
open Microsoft.AspNetCore.Server.Kestrel.Https
open Microsoft.Extensions.DependencyInjection
open Microsoft.Extensions.Logging
open Conduit

/// A traffic port.
[<Sealed>]
type Listener
    private
    (
        server: IServer,
        limits: KestrelServerLimits,
        unbind: unit -> Task,
        lifetime: Lifetime,
        entrance: Entrance,
        endPoint: IPEndPoint,
        isQuic: bool
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

    static let configure
        (endPoint: IPEndPoint)
        (heads: HeadLimits)
        (lifetime: Lifetime)
        (entrance: Entrance)
        (endings: Http2Endings)
        (options: KestrelServerOptions)
        =
        KestrelPort.configure heads entrance.Current.Clients options
        let pipelines = Pipelines(entrance, lifetime, endings)
        pipelines.AddInner options

        options.Listen(
            endPoint,
            fun listen ->
                listen.Protocols <- HttpProtocols.Http1
                listen.Use(counted lifetime).Use(pipelines.Enter) |> ignore
        )

    /// Told of the drain by GOAWAY, at once. What comes later comes to an old port.
    static let countedOverQuic (lifetime: Lifetime) (next: MultiplexedConnectionDelegate) =
        let requestClose =
            Action<obj | null> (function
                | :? IConnectionLifetimeNotificationFeature as feature -> feature.RequestClose()
                | _ -> ())

        MultiplexedConnectionDelegate(fun connection -> task {
            lifetime.Connected()

            try
                let feature = connection.Features.Get<IConnectionLifetimeNotificationFeature>()
                use _ = lifetime.Draining.UnsafeRegister(requestClose, feature)
                do! next.Invoke connection
            finally
                lifetime.Disconnected()
        })

    static let configureQuic
        (endPoint: IPEndPoint)
        (heads: HeadLimits)
        (lifetime: Lifetime)
        (entrance: Entrance)
        (options: KestrelServerOptions)
        =
        KestrelPort.configure heads entrance.Current.Clients options

        let choose (context: TlsHandshakeCallbackContext) =
            match entrance.Current.Tls with
            | Some state -> ValueTask<_>(TlsState.chooseForQuic context.ClientHelloInfo.ServerName state)
            | None -> raise (ConnectionAbortedException "TLS is off by now")

        options.Listen(
            endPoint,
            fun listen ->
                listen.Protocols <- HttpProtocols.Http3
                listen.UseHttps(TlsHandshakeCallbackOptions(OnConnection = choose)) |> ignore

                (listen :> IMultiplexedConnectionBuilder).Use(countedOverQuic lifetime)
                |> ignore
        )

    /// The address it is bound to, with the port that the system chose where 0 was asked for.
    member _.EndPoint = endPoint

    /// Where clients reach it.
    member _.Url =
        if entrance.Current.Tls.IsSome then
            $"https://{endPoint}"
        else
            $"http://{endPoint}"

    /// What people know it by.
    member this.Name = if isQuic then $"{this.Url} by HTTP/3" else this.Url

    /// Requests that have begun and not ended.
    member _.Active = lifetime.Active

    /// Connections that clients have open.
    member _.Connections = lifetime.Connections

    /// Sets how large heads may be, and how slow clients, from now on.
    member _.Limit(config: Config) =
        KestrelPort.limit config.Heads config.Clients limits

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

        let! server, limits =
            KestrelPort.start
                (configure endPoint heads lifetime entrance endings)
                (fun builder ->
                    builder.ConfigureServices(fun services ->
                        services.AddSingleton<IConnectionListenerFactory> carrier |> ignore)
                    |> ignore)
                refused
                loggers
                (ProxyApplication(serve, lifetime, entrance))

        let bound =
            match carrier.EndPoints with
            | (:? IPEndPoint as bound) :: _ -> bound
            | _ -> endPoint

        endings.Watch bound.Port
        return new Listener(server, limits, carrier.Unbind, lifetime, entrance, bound, false)
    }

    /// The same for HTTP/3, on a UDP port. Needs the system to have QUIC.
    static member StartQuic
        (
            endPoint: IPEndPoint,
            entrance: Entrance,
            heads: HeadLimits,
            refused: Rejections,
            serve,
            loggers: ILoggerFactory
        ) : Task<Listener> = task {
        let lifetime = Lifetime()

        let! server, limits =
            KestrelPort.start
                (configureQuic endPoint heads lifetime entrance)
                (fun builder -> builder.UseKestrelHttpsConfiguration().UseQuic() |> ignore)
                refused
                loggers
                (ProxyApplication(serve, lifetime, entrance))

        // Its socket closes with the server: connections need it to their end.
        let unbind () = Task.CompletedTask
        return new Listener(server, limits, unbind, lifetime, entrance, endPoint, true)
    }

    /// 1 the listening socket closes  2 connections close after their next answer  3 those without a
    /// request are closed once it has been quiet for a moment  4 WebSockets get a close frame  5 what is left when the timeout ends, or when
    /// `over` is cancelled, is cut off. Gives the number of requests that were cut off.
    member _.Drain(timeout: TimeSpan, over: CancellationToken) : Task<int> = task {
        let clock = Stopwatch.StartNew()
        lifetime.Drain()
        do! unbind ()
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
