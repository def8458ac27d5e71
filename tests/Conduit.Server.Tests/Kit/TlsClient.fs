namespace Conduit.Server.Tests

open System
open System.IO
open System.Net
open System.Net.Http
open System.Net.Security
open System.Net.Sockets
open System.Security.Cryptography.X509Certificates
open System.Threading
open System.Threading.Tasks

/// Clients that speak TLS and believe one authority.
[<RequireQualifiedAccess>]
module TlsClient =

    /// Trust in one authority, for the name that was asked for.
    let options (authority: TestAuthority) (name: string) =
        let policy =
            X509ChainPolicy(
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck
            )

        policy.CustomTrustStore.Add authority.Root |> ignore
        SslClientAuthenticationOptions(TargetHost = name, CertificateChainPolicy = policy)

    /// A connection whose handshake is done.
    let connect (port: int) (options: SslClientAuthenticationOptions) : Task<SslStream> = task {
        let socket = new Socket(SocketType.Stream, ProtocolType.Tcp, NoDelay = true)
        do! socket.ConnectAsync(IPAddress.Loopback, port)
        let stream = new SslStream(new NetworkStream(socket, ownsSocket = true))

        try
            use limit = new CancellationTokenSource(Eventually.patience)
            do! stream.AuthenticateAsClientAsync(options, limit.Token)
            return stream
        with error ->
            stream.Dispose()
            return raise error
    }

    /// The certificate that a server shows to those who ask for a name.
    let certificate port authority name : Task<X509Certificate2> = task {
        use! stream = connect port (options authority name)

        match stream.RemoteCertificate with
        | null -> return failwith "no certificate"
        | shown -> return X509CertificateLoader.LoadCertificate(shown.GetRawCertData())
    }

    /// An HTTP client whose connections go to a port of the loopback, whatever the name.
    let http (port: int) (options: SslClientAuthenticationOptions) =
        let connect (_: SocketsHttpConnectionContext) (cancellation: CancellationToken) =
            ValueTask<Stream>(
                task {
                    let socket = new Socket(SocketType.Stream, ProtocolType.Tcp, NoDelay = true)
                    do! socket.ConnectAsync(IPAddress.Loopback, port, cancellation)
                    return new NetworkStream(socket, ownsSocket = true) :> Stream
                }
            )

        new HttpClient(
            new SocketsHttpHandler(
                SslOptions = options,
                UseProxy = false,
                AllowAutoRedirect = false,
                ConnectCallback = Func<_, _, _>(connect)
            )
        )
