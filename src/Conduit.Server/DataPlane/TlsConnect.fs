namespace Conduit.Server

open System
open System.IO
open System.Net.Http
open System.Net.Security
open System.Net.Sockets
open System.Threading
open System.Threading.Tasks

/// Connections to https backends. HttpClient would check a certificate against the `Host` of the
/// request, which here is the client's: any client could make a good backend look bad. So requests go
/// to the handler as http, and the connection itself speaks TLS, by the backend's own name.
[<RequireQualifiedAccess>]
module TlsConnect =

    let private connect (host: string) (port: int) (cancellation: CancellationToken) : Task<Stream> = task {
        let socket = new Socket(SocketType.Stream, ProtocolType.Tcp, NoDelay = true)

        try
            do! socket.ConnectAsync(host, port, cancellation)
            let stream = new SslStream(new NetworkStream(socket, ownsSocket = true))
            let options = SslClientAuthenticationOptions(TargetHost = host)
            do! stream.AuthenticateAsClientAsync(options, cancellation)
            return stream :> Stream
        with error ->
            socket.Dispose()
            return raise error
    }

    let callback: Func<SocketsHttpConnectionContext, CancellationToken, ValueTask<Stream>> =
        Func<_, _, _>(fun context cancellation ->
            ValueTask<Stream>(connect context.DnsEndPoint.Host context.DnsEndPoint.Port cancellation))
