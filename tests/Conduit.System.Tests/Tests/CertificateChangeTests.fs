namespace Conduit.SystemTests

open System
open System.Diagnostics
open System.Net.Security
open System.Net.Sockets
open System.Security.Cryptography.X509Certificates
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions
open Conduit.Server.Tests

/// Certificates change while clients come and go.
[<Collection(SystemCollection.name)>]
type CertificateChangeTests(output: ITestOutputHelper) =

    let changes = 50
    let soon = TimeSpan.FromSeconds 10.0

    /// The certificate of a new handshake.
    let shown (port: int) : Task<string> = task {
        use client = new TcpClient()
        do! client.ConnectAsync("127.0.0.1", port)
        use stream = new SslStream(client.GetStream())

        do!
            stream.AuthenticateAsClientAsync(
                SslClientAuthenticationOptions(
                    TargetHost = "localhost",
                    RemoteCertificateValidationCallback = fun _ _ _ _ -> true
                )
            )

        match stream.RemoteCertificate with
        | null -> return failwith "no certificate"
        | certificate ->
            return (X509CertificateLoader.LoadCertificate(certificate.GetRawCertData())).Thumbprint
    }

    [<Fact>]
    member _.``50 certificate changes under TLS load fail no handshake and no request``() = task {
        use! backend = SampleBackend.Start "a"
        use directory = new CertificateDirectory()
        let authority = TestAuthority "Conduit's system tests"
        let made () = authority.Server [ "localhost" ]
        directory.Put "server" (made ())

        use conduit =
            ConfiguredConduit.OverTls(
                output,
                directory.Path "server",
                ", reload_interval: 200ms",
                [ $"backends: [\"{backend.Url}\"]" ]
            )

        do! conduit.Ready()
        let url = $"https://localhost:{conduit.Port}/"
        // Each change takes a moment more than the interval; the load goes on until after the last.
        let seconds = 30
        let clock = Stopwatch.StartNew()
        let comers = Load.heyHandshakes 200 seconds 10 url
        let stayers = Load.heyAt 200 seconds 10 url
        let mutable slowest = TimeSpan.Zero

        for turn in 1..changes do
            let next = made ()
            directory.Put "server" next

            let! time =
                Eventually.holds $"change {turn} is seen" soon (fun () -> task {
                    let! thumbprint = shown conduit.Port
                    return thumbprint = next.Certificate.Thumbprint
                })

            slowest <- max slowest time

            // Once it is there, it stays.
            let! again = Task.WhenAll [ for _ in 1..3 -> shown conduit.Port ]
            Assert.All(again, (fun thumbprint -> Assert.Equal(next.Certificate.Thumbprint, thumbprint)))

        let taken = clock.Elapsed
        Assert.True(taken.TotalSeconds < float seconds, $"the changes took {taken.TotalSeconds:F0} s")
        let! comers = comers
        let! stayers = stayers
        output.WriteLine $"a handshake each: {comers}"
        output.WriteLine $"kept connections: {stayers}"

        output.WriteLine
            $"{changes} changes in {taken.TotalSeconds:F1} s, the slowest seen after {slowest.TotalMilliseconds:F0} ms"

        Assert.Equal(0, comers.Failures)
        Assert.Equal(0, stayers.Failures)
        Assert.True(comers.Answers > 1000 && stayers.Answers > 1000, "there was hardly any load")
    }
