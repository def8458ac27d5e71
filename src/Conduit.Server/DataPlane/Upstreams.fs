namespace Conduit.Server

open System
open System.Collections.Concurrent
open System.IO
open System.Net
open System.Net.Http
open System.Net.Security
open System.Net.Sockets
open System.Text
open System.Threading
open System.Threading.Tasks
open Conduit
open Conduit.Transport

/// What an HttpClient of ours belongs to: handlers keep these settings for all their connections.
[<Struct>]
type private ClientKey = {
    Connect: TimeSpan
    Scheme: Scheme
    IsHttp2: bool
    Tls: BackendTls
}

/// IMPURE: the clients for all ways in which backends are spoken to, and what backends have chosen.
[<Sealed>]
type Upstreams() =

    let connectPlain =
        Func<SocketsHttpConnectionContext, CancellationToken, ValueTask<Stream>>(fun context cancellation ->
            ValueTask<Stream>(
                task {
                    let host = context.DnsEndPoint
                    let! socket = BackendSocket.ConnectAsync(host.Host, host.Port, cancellation)
                    return new NetworkStream(socket, ownsSocket = true) :> Stream
                }
            ))

    let handler (key: ClientKey) =
        let handler =
            new SocketsHttpHandler(
                AllowAutoRedirect = false,
                UseCookies = false,
                UseProxy = false,
                AutomaticDecompression = DecompressionMethods.None,
                ActivityHeadersPropagator = null,
                ConnectTimeout = key.Connect,
                // Shorter than the idle time of common servers, so that they seldom close first.
                PooledConnectionIdleTimeout = TimeSpan.FromSeconds 30.0,
                // A name may get other addresses.
                PooledConnectionLifetime = TimeSpan.FromMinutes 5.0,
                ConnectCallback = connectPlain,
                // The client has left: closing is cheaper than reading the rest.
                MaxResponseDrainSize = 0,
                EnableMultipleHttp2Connections = true,
                // Bytes in, the same bytes out.
                RequestHeaderEncodingSelector = (fun _ _ -> Encoding.Latin1),
                ResponseHeaderEncodingSelector = (fun _ _ -> Encoding.Latin1)
            )

        if key.Scheme = Scheme.Https then
            let connect = TlsConnect key.Tls
            handler.ConnectCallback <- if key.IsHttp2 then connect.Http2 else connect.Http1

        handler

    let clients = ConcurrentDictionary<ClientKey, HttpMessageInvoker>()

    let make =
        Func<ClientKey, HttpMessageInvoker>(fun key ->
            new HttpMessageInvoker(handler key, disposeHandler = true))

    /// Whether https backends have chosen HTTP/2, by their authority.
    let chosen = ConcurrentDictionary<struct (string * BackendTls), bool>()

    /// Lets a backend choose, over a connection for that alone.
    let ask (url: BackendUrl) (tls: BackendTls) (timeouts: Timeouts) (cancellation: CancellationToken) = task {
        use limit = CancellationTokenSource.CreateLinkedTokenSource cancellation
        limit.CancelAfter timeouts.Connect
        let offered = [ SslApplicationProtocol.Http2; SslApplicationProtocol.Http11 ]
        use! stream = TlsConnect(tls).Open(url.Host, url.Port, offered, limit.Token)
        let isHttp2 = stream.NegotiatedApplicationProtocol = SslApplicationProtocol.Http2
        chosen[struct (url.Authority, tls)] <- isHttp2
        return isHttp2
    }

    /// Whether a backend is spoken to by HTTP/2.
    member _.IsHttp2(upstream: Upstream, url: BackendUrl, timeouts, cancellation) : ValueTask<bool> =
        match upstream.Protocol, url.Scheme with
        | (BackendProtocol.H2 | BackendProtocol.H2c), _ -> ValueTask<bool> true
        | BackendProtocol.Auto, Scheme.Https ->
            match chosen.TryGetValue(struct (url.Authority, upstream.Tls)) with
            | true, isHttp2 -> ValueTask<bool> isHttp2
            | _ -> ValueTask<bool>(ask url upstream.Tls timeouts cancellation)
        | _ -> ValueTask<bool> false

    /// What a backend has chosen may have changed: it is asked again.
    member _.Forget(upstream: Upstream, url: BackendUrl) =
        if upstream.Protocol = BackendProtocol.Auto then
            chosen.TryRemove(struct (url.Authority, upstream.Tls)) |> ignore

    member _.Client(upstream: Upstream, scheme, isHttp2, connect) : HttpMessageInvoker =
        clients.GetOrAdd(
            {
                Connect = connect
                Scheme = scheme
                IsHttp2 = isHttp2
                Tls = upstream.Tls
            },
            make
        )

    interface IDisposable with
        member _.Dispose() =
            for client in clients.Values do
                client.Dispose()
