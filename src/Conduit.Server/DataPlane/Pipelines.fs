namespace Conduit.Server

open System
open System.Diagnostics
open System.Net
open System.Net.Security
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Connections
open Microsoft.AspNetCore.Connections.Features
open Microsoft.AspNetCore.Hosting
open Microsoft.AspNetCore.Server.Kestrel.Core
open Microsoft.AspNetCore.Server.Kestrel.Core.Features
open Microsoft.AspNetCore.Server.Kestrel.Https
open Conduit

/// Whether the handshake of a connection has been completed.
[<Sealed>]
type private Handshake() =
    member val IsCompleted = false with get, set

/// Leads each connection to what it speaks: through TLS where that is on at the moment, and to HTTP/1.1 or
/// HTTP/2. Each of these is a pipeline of Kestrel's own; a connection of HTTP/1.1 goes straight on.
[<Sealed>]
type Pipelines(entrance: Entrance, lifetime: Lifetime, endings: Http2Endings) =

    let began = Stopwatch.GetTimestamp()

    let now () =
        Instant.ofElapsed (Stopwatch.GetElapsedTime began)

    /// What a client gets for its first byte, and for its handshake.
    let patience = TimeSpan.FromSeconds 130.0
    let handshakePatience = TimeSpan.FromSeconds 10.0

    let unbuilt =
        ConnectionDelegate(fun _ -> raise (InvalidOperationException "the port is not open yet"))

    let mutable http1 = unbuilt
    let mutable http2 = unbuilt
    let mutable tls = unbuilt

    let abort =
        Action<obj | null> (function
            | :? ConnectionContext as connection -> connection.Abort()
            | _ -> ())

    let cancelRead =
        Action<obj | null> (function
            | :? ConnectionContext as connection -> connection.Transport.Input.CancelPendingRead()
            | _ -> ())

    let requestClose =
        Action<obj | null> (function
            | :? IConnectionLifetimeNotificationFeature as feature -> feature.RequestClose()
            | _ -> ())

    /// A connection of HTTP/2 learns of the drain at once: by GOAWAY, for it may never be without a request.
    let serveHttp2 (connection: ConnectionContext) : Task = task {
        let feature = connection.Features.Get<IConnectionLifetimeNotificationFeature>()
        use _ = lifetime.Draining.UnsafeRegister(requestClose, feature)
        do! Http2Guard.serve now endings http2 connection
    }

    let serveCleartext (connection: ConnectionContext) : Task = task {
        let! isHttp2 = task {
            use timer = new CancellationTokenSource(patience)
            use _ = timer.Token.UnsafeRegister(abort, connection)

            let closing =
                match connection.Features.Get<IConnectionLifetimeNotificationFeature>() with
                | null -> CancellationToken.None
                | feature -> feature.ConnectionClosedRequested

            // The port closes: a connection that has not said anything has nothing to wait for.
            use _ = closing.UnsafeRegister(cancelRead, connection)
            return! Preface.isHttp2 connection.Transport.Input
        }

        match isHttp2 with
        | ValueSome true -> do! serveHttp2 connection
        | ValueSome false -> do! http1.Invoke connection
        | ValueNone -> ()
    }

    /// Counts the handshake of a connection that `next` leads through it.
    let countHandshake (next: ConnectionDelegate) (connection: ConnectionContext) : Task = task {
        let handshake = Handshake()
        connection.Features.Set handshake

        try
            do! next.Invoke connection
        finally
            if not handshake.IsCompleted then
                entrance.Handshakes.Failed.Add 1L
    }

    let serveDecrypted (connection: ConnectionContext) : Task =
        match connection.Features.Get<Handshake>() with
        | null -> ()
        | handshake ->
            handshake.IsCompleted <- true
            entrance.Handshakes.Completed.Add 1L

        match connection.Features.Get<ITlsApplicationProtocolFeature>() with
        | NonNull feature when
            feature.ApplicationProtocol.Span.SequenceEqual(SslApplicationProtocol.Http2.Protocol.Span)
            ->
            serveHttp2 connection
        | _ -> http1.Invoke connection

    let handshake =
        let choose (context: TlsHandshakeCallbackContext) =
            match entrance.Current.Tls with
            | Some state -> ValueTask<_>(TlsState.choose context.ClientHelloInfo.ServerName state)
            | None -> raise (ConnectionAbortedException "TLS is off by now")

        TlsHandshakeCallbackOptions(OnConnection = choose, HandshakeTimeout = handshakePatience)

    let serve (entry: Conduit.Server.Entry) (connection: ConnectionContext) : Task =
        if entry.Tls.IsSome then
            tls.Invoke connection
        else
            serveCleartext connection

    /// Takes the header of the PROXY protocol off, and the client's address from it. A connection whose header
    /// is wrong is closed: a client could have sent that.
    let serveProxied entry (connection: ConnectionContext) : Task = task {
        let! header = task {
            use timer = new CancellationTokenSource(handshakePatience)
            use _ = timer.Token.UnsafeRegister(abort, connection)
            return! Preface.takeProxyHeader connection.Transport.Input
        }

        match header with
        | ProxyHeader.Complete(_, client) ->
            match client with
            | Some client -> connection.RemoteEndPoint <- client
            | None -> ()

            do! serve entry connection
        | ProxyHeader.Malformed why -> entrance.ProxyRefused (string connection.RemoteEndPoint) why
        | ProxyHeader.Incomplete -> ()
    }

    let isProxied (entry: Conduit.Server.Entry) (connection: ConnectionContext) =
        not (AddressSet.isEmpty entry.ProxyFrom)
        && (match connection.RemoteEndPoint with
            | :? IPEndPoint as proxy -> AddressSet.contains (Address.number proxy.Address) entry.ProxyFrom
            | _ -> false)

    let enter (connection: ConnectionContext) : Task =
        let entry = entrance.Current

        if isProxied entry connection then
            serveProxied entry connection
        else
            serve entry connection

    /// The pipelines that connections are led into.
    member _.AddInner(options: KestrelServerOptions) =
        options.Listen(
            InnerEndPoint "http2",
            fun listen ->
                listen.Protocols <- HttpProtocols.Http2

                listen.Use(fun (next: ConnectionDelegate) ->
                    http2 <- next
                    next)
                |> ignore
        )

        options.Listen(
            InnerEndPoint "tls",
            fun listen ->
                listen.Protocols <- HttpProtocols.Http1AndHttp2

                listen.Use(fun (next: ConnectionDelegate) ->
                    tls <- next
                    next)
                |> ignore

                listen.Use(fun next -> ConnectionDelegate(countHandshake next)) |> ignore
                listen.UseHttps handshake |> ignore

                listen.Use(fun (_: ConnectionDelegate) -> ConnectionDelegate serveDecrypted)
                |> ignore
        )

    /// The beginning of every connection; `next` is HTTP/1.1.
    member _.Enter(next: ConnectionDelegate) : ConnectionDelegate =
        http1 <- next
        ConnectionDelegate enter
