module Conduit.Server.Tests.Http3Tests

open System
open System.IO
open System.Net
open System.Net.Http
open System.Net.Quic
open System.Net.Security
open System.Net.Sockets
open System.Security.Cryptography.X509Certificates
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

/// Left out where the system has no QUIC (on Linux: no libmsquic).
[<AttributeUsage(AttributeTargets.Method)>]
type QuicFactAttribute() =
    inherit FactAttribute()

    override _.Skip =
        if QuicListener.IsSupported then
            null
        else
            "no libmsquic here"

let private freeUdpPort () =
    use socket = new Socket(SocketType.Dgram, ProtocolType.Udp)
    socket.Bind(IPEndPoint(IPAddress.Loopback, 0))

    match socket.LocalEndPoint with
    | :? IPEndPoint as bound -> bound.Port
    | _ -> failwith "no port"

let private tls (directory: CertificateDirectory) port clients : TlsConfig = {
    Certificates = [
        {
            CertFile = directory.Path "localhost.pem"
            KeyFile = Some(directory.Path "localhost.key")
            Password = None
            Hosts = []
        }
    ]
    ReloadInterval = TimeSpan.FromMilliseconds 50.0
    MinVersion = TlsVersion.Tls12
    MaxVersion = TlsVersion.Tls13
    CipherSuites = []
    ClientCertificates = clients
    RedirectPort = None
    Http3Port = Some port
    Hsts = None
}

/// A balancer with HTTP/3 in front of a backend; the test gets a client of HTTP/3 alone.
let private overQuic
    (clients: TestAuthority -> CertificateDirectory -> ClientCertificates)
    (script: Script)
    (change: TestAuthority -> SslClientAuthenticationOptions -> unit)
    (test: TestAuthority -> int -> HttpClient -> ScriptedBackend -> Running -> Task)
    : Task = task {
    let authority = TestAuthority "test"
    use directory = new CertificateDirectory()
    directory.Put "localhost" (authority.Server [ "localhost" ])
    let port = freeUdpPort ()
    let options = TlsClient.options authority "localhost"
    change authority options

    use http =
        new HttpClient(
            new SocketsHttpHandler(SslOptions = options, UseProxy = false),
            BaseAddress = Uri $"https://127.0.0.1:{port}/",
            DefaultRequestVersion = HttpVersion.Version30,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact
        )

    http.DefaultRequestHeaders.Host <- "localhost"

    do!
        Balancers.withOneAnd
            (fun settings -> {
                settings with
                    Tls = Some(tls directory port (clients authority directory))
                    DrainTimeout = TimeSpan.FromSeconds 20.0
            })
            script
            (test authority port http)
}

let private unasked _ _ = ClientCertificates.NotAsked
let private unchanged _ _ = ()

[<Fact>]
let ``where the system has no QUIC, a port for HTTP/3 is refused, and the library is named`` () : Task = task {
    let authority = TestAuthority "test"
    use directory = new CertificateDirectory()
    directory.Put "localhost" (authority.Server [ "localhost" ])
    use log = new CapturedLog()

    let start () : Task = task {
        use! running =
            Balancers.start log {
                Balancers.settings [ "http://127.0.0.1:9" ] with
                    Tls = Some(tls directory (freeUdpPort ()) ClientCertificates.NotAsked)
            }

        ignore running
    }

    if QuicListener.IsSupported then
        do! start ()
    else
        let! error = Assert.ThrowsAnyAsync<exn> start
        Assert.StartsWith("listen.tls.http3_port: ", error.Message)
        Assert.Contains("install libmsquic", error.Message)
}

[<QuicFact>]
let ``a request by HTTP/3 reaches the backend and comes back, with its body`` () =
    let body = String('x', 300_000)

    let echo =
        Script.answering (fun request ->
            $"HTTP/1.1 200 OK\r\nContent-Length: {request.Body.Length}\r\nX-Own: 1\r\n\r\n{Message.text request}")

    overQuic unasked echo unchanged (fun _ _ http backend _ -> task {
        use! response = http.PostAsync("x?y=%2F", new StringContent(body))
        let! text = response.Content.ReadAsStringAsync()
        Assert.Equal((HttpStatusCode.OK, HttpVersion.Version30), (response.StatusCode, response.Version))
        Assert.Equal(body, text)
        Assert.Equal("/x?y=%2F", Message.target backend.Request)
        Assert.Equal(Some "https", Message.value "X-Forwarded-Proto" backend.Request)
        Assert.Equal(Some "127.0.0.1", Message.value "X-Forwarded-For" backend.Request)
        Assert.Equal(Some "localhost", Message.value "Host" backend.Request)
    })

[<QuicFact>]
let ``answers over TLS offer it, in the place of what a backend offers of itself`` () =
    let answer =
        "HTTP/1.1 200 OK\r\nAlt-Svc: h3=\":9\"; ma=1\r\nContent-Length: 0\r\n\r\n"

    overQuic unasked (Script.always answer) unchanged (fun authority port _ _ running -> task {
        use tcp = TlsClient.http running.Port (TlsClient.options authority "localhost")
        use! response = tcp.GetAsync "https://localhost/"
        // A day is what it is good for by default, which HttpClient does not repeat.
        let offered = response.Headers.GetValues "Alt-Svc" |> List.ofSeq
        Assert.Equal<string list>([ $"h3=\":{port}\"" ], offered)
    })

[<QuicFact>]
let ``many requests at once share a connection, and each gets its own answer`` () =
    let answer = Script.answering (fun request -> Script.ok (Message.target request))

    overQuic unasked answer unchanged (fun _ _ http _ _ -> task {
        let! texts = Task.WhenAll [ for number in 1..300 -> http.GetStringAsync $"{number}" ]
        Assert.Equal<string list>([ for number in 1..300 -> $"/{number}" ], List.ofArray texts)
    })

[<QuicFact>]
let ``an answer that breaks off breaks off for the client, and the connection goes on`` () =
    let answer =
        Script.inTurn [
            Script.closing "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"
            Script.always (Script.ok "whole")
        ]

    overQuic unasked answer unchanged (fun _ _ http _ _ -> task {
        let! _ =
            Assert.ThrowsAnyAsync<HttpRequestException>(fun () -> http.GetStringAsync "")

        let! text = http.GetStringAsync ""
        Assert.Equal("whole", text)
    })

[<QuicFact>]
let ``a piece of an answer arrives before the next one is there`` () =
    let go = TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)

    let slowly =
        Script.once (fun connection _ -> task {
            do! connection.Send "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none"
            do! go.Task
            do! connection.Send "two"
        })

    overQuic unasked slowly unchanged (fun _ _ http _ _ -> task {
        use! stream = http.GetStreamAsync ""
        let first = Array.zeroCreate<byte> 3
        do! stream.ReadExactlyAsync first
        Assert.Equal<byte>("one"B, first)
        go.SetResult()
        use reader = new StreamReader(stream)
        let! rest = reader.ReadToEndAsync()
        Assert.Equal("two", rest)
    })

[<QuicFact>]
let ``a client by HTTP/3 proves who it is as by any other`` () =
    let required (authority: TestAuthority) (directory: CertificateDirectory) =
        ClientCertificates.Required(directory.Write "clients.pem" authority.Pem)

    let show (authority: TestAuthority) (options: SslClientAuthenticationOptions) =
        let made = authority.Client "CN=alice"
        options.ClientCertificates <- X509CertificateCollection [| made.Certificate :> X509Certificate |]

    overQuic required (Script.always (Script.ok "")) show (fun _ _ http backend _ -> task {
        use! _ = http.GetAsync ""
        Assert.Equal<string list>([ "CN=alice" ], Message.values "X-Client-Cert-Subject" backend.Request)
    })

[<QuicFact>]
let ``while the port drains, what is in flight by HTTP/3 gets its answer`` () =
    let go = TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)

    let held =
        Script.once (fun connection _ -> task {
            do! go.Task
            do! connection.Send(Script.ok "late")
        })

    overQuic unasked held unchanged (fun _ _ http backend running -> task {
        let answer = http.GetStringAsync ""
        do! Eventually.holds "the request is in flight" (fun () -> backend.Requests.Length = 1)
        let stopped = running.Stop()
        go.SetResult()
        let! text = answer
        Assert.Equal("late", text)
        let! cut = stopped
        Assert.Equal(0, cut)
    })
