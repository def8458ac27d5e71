namespace Conduit.Server

open System
open System.Collections.Generic
open System.IO
open System.Net.Http
open System.Net.Security
open System.Net.Sockets
open System.Security.Authentication
open System.Security.Cryptography.X509Certificates
open System.Threading
open System.Threading.Tasks
open Conduit
open Conduit.Transport

/// IMPURE: connections to https backends. HttpClient would check a certificate against the `Host` of the
/// request, which here is the client's: any client could make a good backend look bad. So requests go
/// to the handler as http, and the connection itself speaks TLS, by the backend's own name.
[<Sealed>]
type TlsConnect(tls: BackendTls) =

    let mutable known: BackendTrust option = None

    /// What the files say now: they are read anew for the connection after they have changed.
    let trust () =
        match Volatile.Read &known with
        | Some trust when trust.Stamps = BackendTrust.stamps tls -> trust
        | before ->
            match BackendTrust.read (TimeProvider.System.GetUtcNow()) tls, before with
            | Ok trust, _ ->
                Volatile.Write(&known, Some trust)
                trust
            // A file in the middle of being replaced.
            | Error _, Some before -> before
            | Error why, None -> raise (AuthenticationException why)

    let options (host: string) (protocols: SslApplicationProtocol list) =
        let trust = trust ()

        let options =
            SslClientAuthenticationOptions(
                TargetHost = (tls.ServerName |> Option.defaultValue (host.Trim('[', ']'))),
                ApplicationProtocols = List protocols,
                ClientCertificateContext = trust.Certificate
            )

        match trust.Roots with
        | null -> ()
        | roots ->
            let policy =
                X509ChainPolicy(
                    TrustMode = X509ChainTrustMode.CustomRootTrust,
                    RevocationMode = X509RevocationMode.NoCheck
                )

            policy.CustomTrustStore.AddRange roots
            options.CertificateChainPolicy <- policy

        if tls.InsecureSkipVerify then
            options.RemoteCertificateValidationCallback <- fun _ _ _ _ -> true

        options

    /// A connection whose handshake is done, with the protocol that the backend chose of those offered.
    member _.Open(host: string, port: int, protocols, cancellation: CancellationToken) : Task<SslStream> =
        task {
            let! socket = BackendSocket.ConnectAsync(host, port, cancellation)

            try
                let stream = new SslStream(new NetworkStream(socket, ownsSocket = true))
                do! stream.AuthenticateAsClientAsync(options host protocols, cancellation)
                return stream
            with error ->
                socket.Dispose()
                return raise error
        }

    /// How HttpClient connects for HTTP/1.1.
    member this.Http1 =
        Func<SocketsHttpConnectionContext, CancellationToken, ValueTask<Stream>>(fun context cancellation ->
            ValueTask<Stream>(
                task {
                    let host = context.DnsEndPoint

                    let! stream =
                        this.Open(host.Host, host.Port, [ SslApplicationProtocol.Http11 ], cancellation)

                    return stream :> Stream
                }
            ))

    /// How HttpClient connects for HTTP/2.
    member this.Http2 =
        Func<SocketsHttpConnectionContext, CancellationToken, ValueTask<Stream>>(fun context cancellation ->
            ValueTask<Stream>(
                task {
                    let host = context.DnsEndPoint

                    let! stream =
                        this.Open(host.Host, host.Port, [ SslApplicationProtocol.Http2 ], cancellation)

                    if stream.NegotiatedApplicationProtocol <> SslApplicationProtocol.Http2 then
                        stream.Dispose()
                        raise (AuthenticationException "the backend does not speak HTTP/2")

                    return new SchemeStream(stream) :> Stream
                }
            ))
