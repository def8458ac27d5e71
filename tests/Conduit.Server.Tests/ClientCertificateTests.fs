module Conduit.Server.Tests.ClientCertificateTests

open System
open System.Net.Http
open System.Security.Cryptography.X509Certificates
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

/// A balancer that asks clients for certificates of one authority.
let private asking
    (kind: string -> ClientCertificates)
    trust
    (test: TestAuthority -> ScriptedBackend -> Running -> Task)
    : Task = task {
    let authority = TestAuthority "test"
    use directory = new CertificateDirectory()
    directory.Put "localhost" (authority.Server [ "localhost" ])

    let tls: TlsConfig = {
        Certificates = [
            {
                CertFile = directory.Path "localhost.pem"
                KeyFile = Some(directory.Path "localhost.key")
                Password = None
                Hosts = []
            }
        ]
        ReloadInterval = TimeSpan.FromHours 1.0
        MinVersion = TlsVersion.Tls12
        MaxVersion = TlsVersion.Tls13
        CipherSuites = []
        ClientCertificates = kind (directory.Write "clients.pem" authority.Pem)
        RedirectPort = None
        Http3Port = None
        Hsts = None
    }

    do!
        Balancers.withOneAnd
            (fun settings -> {
                settings with
                    Tls = Some tls
                    TrustForwarded = trust
            })
            (Script.always (Script.ok ""))
            (test authority)
}

/// Asks with a certificate, or none, and with a header that claims to be somebody.
let private ask (authority: TestAuthority) (running: Running) (certificate: MadeCertificate option) : Task =
    task {
        let options = TlsClient.options authority "localhost"

        match certificate with
        | Some made ->
            options.ClientCertificates <- X509CertificateCollection [| made.Certificate :> X509Certificate |]
        | None -> ()

        use http = TlsClient.http running.Port options
        use request = new HttpRequestMessage(HttpMethod.Get, "https://localhost/")
        request.Headers.Add("X-Client-Cert-Subject", "CN=forged")
        request.Headers.Add("X_Client_Cert_Subject", "CN=forged")
        request.Headers.Add("X-Client-Cert-Fingerprint", "forged")
        use! _ = http.SendAsync request
        ()
    }

[<Theory>]
[<InlineData false>]
[<InlineData true>]
let ``the subject of a client is passed on, and cannot be forged`` (trust: bool) =
    asking ClientCertificates.Required trust (fun authority backend running -> task {
        let made = authority.Client "CN=al\u00efce, O=100% Test"
        do! ask authority running (Some made)

        Assert.Equal<string list>(
            [ "CN=al%C3%AFce, O=100%25 Test" ],
            Message.values "X-Client-Cert-Subject" backend.Request
        )

        let fingerprint =
            made.Certificate
                .GetCertHashString(Security.Cryptography.HashAlgorithmName.SHA256)
                .ToLowerInvariant()

        Assert.Equal<string list>(
            [ fingerprint ],
            Message.values "X-Client-Cert-Fingerprint" backend.Request
        )

        Assert.False(Message.has "X_Client_Cert_Subject" backend.Request)
    })

[<Fact>]
let ``who has none, or one of another authority, does not get in where one is required`` () =
    asking ClientCertificates.Required false (fun authority backend running -> task {
        let stranger = (TestAuthority "stranger").Client "CN=mallory"

        let! _ =
            Assert.ThrowsAnyAsync<HttpRequestException>(fun () -> ask authority running None)

        let! _ =
            Assert.ThrowsAnyAsync<HttpRequestException>(fun () -> ask authority running (Some stranger))
        // A server's certificate is no client's.
        let server = authority.Server [ "localhost" ]

        let! _ =
            Assert.ThrowsAnyAsync<HttpRequestException>(fun () -> ask authority running (Some server))

        Assert.Empty backend.Requests
    })

[<Fact>]
let ``who has none gets in where one is optional, as nobody`` () =
    asking ClientCertificates.Optional false (fun authority backend running -> task {
        do! ask authority running None
        Assert.False(Message.has "X-Client-Cert-Subject" backend.Request)
        Assert.False(Message.has "X-Client-Cert-Fingerprint" backend.Request)
    })

[<Fact>]
let ``without TLS the headers are nobody's to send`` () =
    Balancers.withOne (Script.always (Script.ok "")) (fun backend running -> task {
        let! _ =
            running.Ask "GET / HTTP/1.1\r\nHost: a\r\nX-Client-Cert-Subject: CN=forged\r\n\r\n"

        Assert.False(Message.has "X-Client-Cert-Subject" backend.Request)
    })
