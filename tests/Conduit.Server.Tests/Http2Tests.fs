module Conduit.Server.Tests.Http2Tests

open System
open System.IO
open System.Net
open System.Net.Http
open System.Net.Http.Headers
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Server.Kestrel.Core
open Xunit
open Conduit
open Conduit.Server

/// A client that speaks HTTP/2 in cleartext, as it knows beforehand.
let private client () =
    new HttpClient(
        new SocketsHttpHandler(UseProxy = false, AllowAutoRedirect = false),
        DefaultRequestVersion = HttpVersion.Version20,
        DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        Timeout = Eventually.patience
    )

let private spoken protocol (change: BackendTls -> BackendTls) (settings: Settings) = {
    settings with
        Pool = {
            settings.Pool with
                Upstream = {
                    Protocol = protocol
                    Tls = change Upstream.defaults.Tls
                    SendProxy = None
                }
        }
}

let private h2c = spoken BackendProtocol.H2c id

let private text (text: string) (http: HttpContext) = http.Response.WriteAsync text

/// A balancer in front of one backend.
let private before change (backend: Http2Backend) test =
    Balancers.run change [ backend.Url ] test

/// Data and a trailer, as gRPC ends its answers.
let private withTrailers (http: HttpContext) : Task = task {
    http.Response.ContentType <- "application/grpc"
    http.Response.DeclareTrailer "grpc-status"
    do! http.Response.WriteAsync "data"
    http.Response.AppendTrailer("grpc-status", "0")
}

[<Fact>]
let ``HTTP/2 in cleartext is told from HTTP/1.1, on one port`` () =
    Balancers.withOne
        (Script.answering (fun request -> Script.ok (Message.target request)))
        (fun backend running -> task {
            use http = client ()
            use! response = http.GetAsync $"{running.Url}/two?a=%%2F"
            let! text = response.Content.ReadAsStringAsync()
            Assert.Equal((HttpVersion.Version20, "/two?a=%2F"), (response.Version, text))
            let! one = running.Get "/one"
            Assert.Equal("/one", Message.text one)
            let request = backend.Requests.Head
            Assert.Equal(Some $"127.0.0.1:{running.Port}", Message.value "Host" request)
            Assert.Equal(Some "http", Message.value "X-Forwarded-Proto" request)
        })

[<Fact>]
let ``many streams at once get their own answers`` () =
    Balancers.withOne (Script.answering (fun request -> Script.ok (Message.target request))) (fun _ running -> task {
        use http = client ()

        let ask (number: int) : Task = task {
            let! text = http.GetStringAsync $"{running.Url}/{number}"
            Assert.Equal($"/{number}", text)
        }

        for round in 0..4 do
            do! Task.WhenAll [ for number in 0..199 -> ask (round * 1000 + number) ]
    })

[<Fact>]
let ``a client that cancels one stream leaves the others of its connection alone`` () : Task = task {
    let gone = TaskCompletionSource()
    let finish = TaskCompletionSource()

    let handle (http: HttpContext) : Task = task {
        do! http.Response.Body.FlushAsync()

        if http.Request.Path = PathString "/cancelled" then
            use _ = http.RequestAborted.Register(fun () -> gone.TrySetResult() |> ignore)
            do! Task.Delay(Timeout.InfiniteTimeSpan, http.RequestAborted)
        else
            do! finish.Task
            do! http.Response.WriteAsync "done"
    }

    use! backend = Http2Backend.Cleartext handle

    do!
        before h2c backend (fun running -> task {
            use http = client ()

            let! kept =
                http.GetAsync($"{running.Url}/kept", HttpCompletionOption.ResponseHeadersRead)

            let! cancelled =
                http.GetAsync($"{running.Url}/cancelled", HttpCompletionOption.ResponseHeadersRead)

            cancelled.Dispose()
            do! gone.Task.WaitAsync Eventually.patience
            finish.SetResult()
            let! text = kept.Content.ReadAsStringAsync()
            Assert.Equal("done", text)
            // The stream of the one that left serves others after it.
            let! text = http.GetStringAsync $"{running.Url}/again"
            Assert.Equal("done", text)
        })
}

[<Fact>]
let ``a pool that speaks HTTP/2 does so, with the client's host`` () : Task = task {
    use! backend = Http2Backend.Cleartext(text "hello")

    do!
        before h2c backend (fun running -> task {
            let! response = running.Get "/x"
            Assert.Equal("hello", Message.text response)
            let seen = backend.Seen.Head
            Assert.Equal(("HTTP/2", "conduit.test"), (seen.Protocol, seen.Host))
            Assert.Contains(("x-forwarded-proto", "http"), seen.Headers)
        })
}

[<Fact>]
let ``trailers reach clients of HTTP/2, and of HTTP/1.1 that take them`` () : Task = task {
    use! backend = Http2Backend.Cleartext withTrailers

    do!
        before h2c backend (fun running -> task {
            use http = client ()
            use! response = http.GetAsync $"{running.Url}/"
            let! text = response.Content.ReadAsStringAsync()
            Assert.Equal("data", text)
            Assert.Equal<string seq>([ "0" ], response.TrailingHeaders.GetValues "grpc-status")

            let! old = running.Ask "GET / HTTP/1.1\r\nHost: conduit.test\r\nTE: trailers\r\n\r\n"
            Assert.Equal("data", Message.text old)
            Assert.Equal<(string * string) list>([ "grpc-status", "0" ], old.Trailers)
        })
}

[<Fact>]
let ``a trailer of HTTP/1.1 reaches a client of HTTP/2`` () =
    let answer =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n4\r\ndata\r\n0\r\nX-Sum: 7\r\nX-None: \r\n\r\n"

    Balancers.withOne (Script.always answer) (fun _ running -> task {
        use http = client ()
        use! response = http.GetAsync $"{running.Url}/"
        let! text = response.Content.ReadAsStringAsync()
        Assert.Equal("data", text)
        Assert.Equal<string seq>([ "7" ], response.TrailingHeaders.GetValues "X-Sum")
        Assert.Equal<string seq>([ "" ], response.TrailingHeaders.GetValues "X-None")
    })

/// A body that is written while the response is read.
[<Sealed>]
type private Duplex() =
    inherit HttpContent()
    let opened = TaskCompletionSource<Stream>()
    let ended = TaskCompletionSource()
    member _.Opened = opened.Task
    member _.End() = ended.SetResult()

    override _.SerializeToStreamAsync(stream, _) = task {
        do! stream.FlushAsync()
        opened.SetResult stream
        do! ended.Task
    }

    override _.TryComputeLength(length: byref<int64>) =
        length <- 0L
        false

[<Fact>]
let ``both directions of a stream flow at once, and the answer goes on after the request has ended``
    ()
    : Task = task {
    let echo (http: HttpContext) : Task = task {
        do! http.Response.Body.FlushAsync()
        let buffer = Array.zeroCreate<byte> 100
        let mutable going = true

        while going do
            let! read = http.Request.Body.ReadAsync(buffer.AsMemory())
            going <- read > 0

            if going then
                do! http.Response.Body.WriteAsync(buffer.AsMemory(0, read))
                do! http.Response.Body.FlushAsync()

        do! http.Response.WriteAsync "bye"
    }

    use! backend = Http2Backend.Cleartext echo

    do!
        before h2c backend (fun running -> task {
            use http = client ()

            // Over a connection that has nothing else to send, a head that waits for its body would wait for ever.
            let! first = http.GetStringAsync $"{running.Url}/"
            Assert.Equal("bye", first)
            let body = new Duplex()

            use request =
                new HttpRequestMessage(HttpMethod.Post, $"{running.Url}/", Content = body)

            request.Version <- HttpVersion.Version20
            request.VersionPolicy <- HttpVersionPolicy.RequestVersionExact
            let sending = http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead)
            let! upward = body.Opened
            use! response = sending
            let! downward = response.Content.ReadAsStreamAsync()
            let buffer = Array.zeroCreate<byte> 10

            for word in [ "one"; "two"; "three" ] do
                do! upward.WriteAsync(Text.Encoding.ASCII.GetBytes(word).AsMemory())
                do! upward.FlushAsync()
                do! downward.ReadExactlyAsync(buffer.AsMemory(0, word.Length))
                Assert.Equal(word, Text.Encoding.ASCII.GetString(buffer, 0, word.Length))

            body.End()
            use reader = new StreamReader(downward)
            let! rest = reader.ReadToEndAsync()
            Assert.Equal("bye", rest)
        })
}

/// A backend with TLS for `backend.example`, and an authority that vouches for it.
let private withTlsBackend protocols test : Task = task {
    let authority = TestAuthority "backends"
    use directory = new CertificateDirectory()
    let caFile = directory.Write "ca.pem" authority.Pem

    use! backend =
        Http2Backend.Tls(protocols, authority.Server [ "backend.example" ], text "hello")

    do! (test directory caFile authority backend: Task)
}

[<Theory>]
[<InlineData("http1", "HTTP/1.1")>]
[<InlineData("h2", "HTTP/2")>]
[<InlineData("auto", "HTTP/2")>]
let ``https backends are spoken to by the protocol of the pool`` (name: string, expected: string) =
    let protocol = BackendProtocol.names |> List.find (fst >> (=) name) |> snd

    withTlsBackend HttpProtocols.Http1AndHttp2 (fun _ caFile _ backend ->
        let trusted tls = {
            tls with
                CaFile = Some caFile
                ServerName = Some "backend.example"
        }

        before (spoken protocol trusted) backend (fun running -> task {
            for _ in 1..3 do
                let! response = running.Get "/"
                Assert.Equal("hello", Message.text response)

            for seen in backend.Seen do
                Assert.Equal((expected, "https", "conduit.test"), (seen.Protocol, seen.Scheme, seen.Host))
        }))

[<Fact>]
let ``a backend that chooses HTTP/1.1 gets it`` () =
    withTlsBackend HttpProtocols.Http1 (fun _ caFile _ backend ->
        let trusted tls = {
            tls with
                CaFile = Some caFile
                ServerName = Some "backend.example"
        }

        before (spoken BackendProtocol.Auto trusted) backend (fun running -> task {
            let! response = running.Get "/"
            Assert.Equal("hello", Message.text response)
            Assert.Equal("HTTP/1.1", backend.Seen.Head.Protocol)
        }))

[<Fact>]
let ``a certificate for another name, or of another authority, is refused unless anything goes`` () =
    withTlsBackend HttpProtocols.Http1 (fun directory caFile _ backend -> task {
        let stranger = directory.Write "stranger.pem" (TestAuthority "stranger").Pem

        let status change = task {
            let mutable status = 0

            do!
                before (spoken BackendProtocol.Http1 change) backend (fun running -> task {
                    let! response = running.Get "/"
                    status <- Message.status response
                })

            return status
        }

        let named tls = {
            tls with
                ServerName = Some "backend.example"
        }

        let! right = status (fun tls -> { named tls with CaFile = Some caFile })
        let! otherName = status (fun tls -> { tls with CaFile = Some caFile })

        let! otherAuthority =
            status (fun tls -> {
                named tls with
                    CaFile = Some stranger
            })

        let! system = status named
        let! anything = status (fun tls -> { tls with InsecureSkipVerify = true })

        Assert.Equal<int list>(
            [ 200; 502; 502; 502; 200 ],
            [ right; otherName; otherAuthority; system; anything ]
        )
    })

[<Fact>]
let ``a backend that asks is shown the certificate of the pool`` () : Task = task {
    let authority = TestAuthority "backends"
    use directory = new CertificateDirectory()
    directory.Put "conduit" (authority.Client "CN=conduit, O=Test")

    use! backend =
        Http2Backend.Start(
            HttpProtocols.Http1,
            Some (authority.Server [ "127.0.0.1" ]).Certificate,
            true,
            RequestDelegate(text "hello")
        )

    let shown tls = {
        tls with
            CaFile = Some(directory.Write "ca.pem" authority.Pem)
            CertFile = Some(directory.Path "conduit.pem")
            KeyFile = Some(directory.Path "conduit.key")
    }

    do!
        before (spoken BackendProtocol.Http1 shown) backend (fun running -> task {
            let! response = running.Get "/"
            Assert.Equal(200, Message.status response)
            Assert.Equal(Some "CN=conduit, O=Test", backend.Seen.Head.ClientSubject)
        })
}
