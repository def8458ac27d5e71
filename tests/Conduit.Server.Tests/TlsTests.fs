module Conduit.Server.Tests.TlsTests

open System
open System.IO
open System.Net
open System.Net.Http
open System.Net.Security
open System.Security.Authentication
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

let private pattern text =
    HostPattern.parse "test" text |> Result.mapError List.singleton |> Trees.right

let private secret text =
    Secret.password "test" text |> Result.mapError List.singleton |> Trees.right

let private files (directory: CertificateDirectory) name = {
    CertFile = directory.Path $"{name}.pem"
    KeyFile = Some(directory.Path $"{name}.key")
    Password = None
    Hosts = []
}

let private tls certificates : TlsConfig = {
    Certificates = certificates
    ReloadInterval = TimeSpan.FromMilliseconds 50.0
    MinVersion = TlsVersion.Tls12
    MaxVersion = TlsVersion.Tls13
    CipherSuites = []
    ClientCertificates = ClientCertificates.NotAsked
    RedirectPort = None
    Http3Port = None
    Hsts = None
}

let private withTls change certificates (settings: Settings) = {
    settings with
        Tls = Some(change (tls certificates))
}

/// A balancer that speaks TLS as `localhost`, in front of a backend that says what it is told of.
let private withLocalhost
    change
    (test: TestAuthority -> CertificateDirectory -> ScriptedBackend -> Running -> Task)
    = task {
    let authority = TestAuthority "test"
    use directory = new CertificateDirectory()
    directory.Put "localhost" (authority.Server [ "localhost" ])

    do!
        Balancers.withOneAnd
            (withTls change [ files directory "localhost" ])
            (Script.always (Script.ok "hello"))
            (test authority directory)
}

[<Theory>]
[<InlineData("1.1")>]
[<InlineData("2.0")>]
let ``a request over TLS reaches the backend, which learns of the scheme`` (version: string) =
    withLocalhost id (fun authority _ backend running -> task {
        use http = TlsClient.http running.Port (TlsClient.options authority "localhost")

        use request =
            new HttpRequestMessage(
                HttpMethod.Get,
                "https://localhost/x?y=%2F",
                Version = System.Version version,
                VersionPolicy = HttpVersionPolicy.RequestVersionExact
            )

        use! response = http.SendAsync request
        let! text = response.Content.ReadAsStringAsync()
        Assert.Equal((HttpStatusCode.OK, "hello"), (response.StatusCode, text))
        Assert.Equal(System.Version version, response.Version)
        Assert.Equal("/x?y=%2F", Message.target backend.Request)
        Assert.Equal(Some "https", Message.value "X-Forwarded-Proto" backend.Request)
        Assert.Equal(Some "localhost", Message.value "Host" backend.Request)
    })

/// The names that the certificate shown for each name is for.
let private shown port authority (name: string) = task {
    use! certificate = TlsClient.certificate port authority name
    return certificate.GetNameInfo(Security.Cryptography.X509Certificates.X509NameType.SimpleName, false)
}

[<Fact>]
let ``the certificate is chosen by the name that is asked for`` () : Task = task {
    let authority = TestAuthority "test"
    use directory = new CertificateDirectory()
    directory.Put "first" (authority.Server [ "first.example"; "other.example" ])
    directory.Put "shop" (authority.RsaServer [ "shop.example"; "*.shop.example" ])
    directory.Put "given" (authority.Server [ "given.example" ])

    let given = {
        files directory "given" with
            Hosts = [ pattern "a.shop.example"; pattern "*.given.example" ]
    }

    let certificates = [ files directory "first"; files directory "shop"; given ]

    do!
        Balancers.withOneAnd (withTls id certificates) (Script.always (Script.ok "")) (fun _ running -> task {
            let shown name = task {
                let options = TlsClient.options authority name
                // The name is the question here, not whether it is right.
                options.RemoteCertificateValidationCallback <- fun _ _ _ _ -> true
                use! stream = TlsClient.connect running.Port options
                return stream.RemoteCertificate |> Unchecked.nonNull |> _.Subject
            }

            for name, expected in
                [
                    "first.example", "CN=first.example"
                    "shop.example", "CN=shop.example"
                    "SHOP.example", "CN=shop.example"
                    "b.shop.example", "CN=shop.example"
                    "a.shop.example", "CN=given.example"
                    "x.given.example", "CN=given.example"
                    // No star stands for two labels.
                    "a.b.shop.example", "CN=first.example"
                    // Its hosts were given, and this is none of them.
                    "given.example", "CN=first.example"
                    "unknown.example", "CN=first.example"
                    "127.0.0.1", "CN=first.example"
                ] do
                let! subject = shown name
                Assert.Equal((name, expected), (name, subject))
        })
}

[<Fact>]
let ``a certificate is sent with those above it, and clients that know the root believe it`` () =
    withLocalhost id (fun authority _ _ running -> task {
        let! name = shown running.Port authority "localhost"
        Assert.Equal("localhost", name)
    })

[<Fact>]
let ``keys with a password, PFX and one file for both are read`` () : Task = task {
    let authority = TestAuthority "test"
    use directory = new CertificateDirectory()
    let made = authority.Server [ "localhost" ]
    let password = secret "p4ssword"

    let pfx = directory.Path "a.pfx"

    File.WriteAllBytes(
        pfx,
        made.Certificate.Export(Security.Cryptography.X509Certificates.X509ContentType.Pfx, "p4ssword")
    )

    let pem = directory.Write "a.pem" made.Pem

    let kinds = [
        {
            CertFile = pem
            KeyFile = Some(directory.Write "a.key" made.LockedKeyPem)
            Password = Some password
            Hosts = []
        }
        {
            CertFile = pfx
            KeyFile = None
            Password = Some password
            Hosts = []
        }
        {
            CertFile = directory.Write "both.pem" (made.Pem + made.KeyPem)
            KeyFile = None
            Password = None
            Hosts = []
        }
    ]

    for kind in kinds do
        match ServerCertificate.read DateTimeOffset.UtcNow kind with
        | Ok read -> Assert.Equal<string list>([ "localhost" ], read.Hosts |> List.map string)
        | Error fault -> failwith fault.Why
}

[<Fact>]
let ``what is wrong with a certificate is told`` () : Task = task {
    let authority = TestAuthority "test"
    use directory = new CertificateDirectory()
    let made = authority.Server [ "localhost" ]
    let pem = directory.Write "a.pem" made.Pem
    let other = directory.Write "other.key" (authority.Server [ "localhost" ]).KeyPem
    let empty = directory.Write "empty.pem" ""

    let expired =
        directory.Write
            "expired.pem"
            (let made =
                authority.Server(
                    [ "old.example" ],
                    DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero),
                    DateTimeOffset(2021, 1, 1, 0, 0, 0, TimeSpan.Zero)
                )

             made.Pem + made.KeyPem)

    let why certFile keyFile password =
        match
            ServerCertificate.read DateTimeOffset.UtcNow {
                CertFile = certFile
                KeyFile = keyFile
                Password = password |> Option.map secret
                Hosts = []
            }
        with
        | Ok _ -> "nothing"
        | Error fault -> fault.Why.Replace(directory.Path "" + "/", "")

    let encrypted = directory.Write "locked.key" made.LockedKeyPem

    Assert.Equal("the key in other.key is not that of the certificate", why pem (Some other) None)
    Assert.Equal("missing.pem does not exist", why (directory.Path "missing.pem") None None)
    Assert.Equal("missing.key does not exist", why pem (Some(directory.Path "missing.key")) None)
    Assert.Equal("empty.pem is neither PEM nor a PFX that the password opens", why empty None None)
    Assert.Equal("a.pem holds no key", why pem None None)
    Assert.Equal("the key in locked.key has a password, and none is given", why pem (Some encrypted) None)
    Assert.Equal("the password of locked.key is wrong", why pem (Some encrypted) (Some "no"))

    Assert.Equal(
        "the certificate 'old.example' in expired.pem expired at 2021-01-01 00:00:00 UTC",
        why expired None None
    )
}

[<Fact>]
let ``a replaced certificate is served from the next handshake on, and a bad one never`` () =
    withLocalhost id (fun authority directory _ running -> task {
        let thumbprint () = task {
            use! certificate = TlsClient.certificate running.Port authority "localhost"
            return certificate.Thumbprint
        }

        let replaced = authority.Server [ "localhost" ]
        directory.Put "localhost" replaced

        let serves (made: MadeCertificate) =
            Eventually.holds "the new certificate is served" (fun () ->
                thumbprint().GetAwaiter().GetResult() = made.Certificate.Thumbprint)

        do! serves replaced

        // Half of a pair, and it stays so.
        directory.Write "localhost.key" (authority.Server [ "localhost" ]).KeyPem
        |> ignore

        do!
            Eventually.holds "the fault is told" (fun () ->
                running.Log.Warnings |> List.exists _.Contains("is not that of the certificate"))

        let! still = thumbprint ()
        Assert.Equal(replaced.Certificate.Thumbprint, still)

        let last = authority.Server [ "localhost" ]
        directory.Put "localhost" last
        do! serves last
    })

[<Fact>]
let ``versions below the lowest are refused`` () =
    withLocalhost
        (fun tls -> {
            tls with
                MinVersion = TlsVersion.Tls13
        })
        (fun authority _ _ running -> task {
            let connect version = task {
                let options = TlsClient.options authority "localhost"
                options.EnabledSslProtocols <- version
                use! stream = TlsClient.connect running.Port options
                return stream.SslProtocol
            }

            let! version = connect SslProtocols.Tls13
            Assert.Equal(SslProtocols.Tls13, version)
            let! _ = Assert.ThrowsAnyAsync<Exception>(fun () -> connect SslProtocols.Tls12)
            ()
        })

[<Fact>]
let ``only the suites that are named are spoken`` () =
    let suite = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"

    withLocalhost
        (fun tls -> {
            tls with
                CipherSuites = [ suite ]
                MaxVersion = TlsVersion.Tls12
        })
        (fun authority _ _ running -> task {
            use! stream =
                TlsClient.connect running.Port (TlsClient.options authority "localhost")

            Assert.Equal(suite, string stream.NegotiatedCipherSuite)
        })

[<Fact>]
let ``browsers are told to come by https only, unless the backend says so itself`` () =
    withLocalhost (fun tls -> { tls with Hsts = Some 31536000 }) (fun authority _ _ running -> task {
        use http = TlsClient.http running.Port (TlsClient.options authority "localhost")
        use! response = http.GetAsync "https://localhost/"

        Assert.Equal<string seq>(
            [ "max-age=31536000" ],
            response.Headers.GetValues "Strict-Transport-Security"
        )
    })

[<Fact>]
let ``cleartext on a port of TLS ends that connection, and no other`` () =
    withLocalhost id (fun authority _ _ running -> task {
        use! client = running.Connect()
        do! client.Send "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
        let! _ = client.Wire.ReadToEnd()
        let! name = shown running.Port authority "localhost"
        Assert.Equal("localhost", name)
    })
