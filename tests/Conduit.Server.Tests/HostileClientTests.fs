module Conduit.Server.Tests.HostileClientTests

open System
open System.Net
open System.Net.Security
open System.Net.Sockets
open System.Security.Cryptography
open System.Security.Cryptography.X509Certificates
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

/// What a client sends must neither be read differently by a backend nor make a good one look bad.

let private milliseconds (value: float) = TimeSpan.FromMilliseconds value

[<Theory>]
[<InlineData "get">]
[<InlineData "Head">]
[<InlineData "post">]
let ``A known method in another case is refused: HttpClient would change it`` (method: string) =
    Balancers.withOne (Script.always (Script.ok "fine")) (fun backend running -> task {
        use! client = running.Connect()
        do! client.Send $"{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        let! head = client.ReadHead()
        Assert.Equal(501, Message.status head)
        Assert.True((Message.value "X-Request-Id" head).IsSome)
        Assert.Empty backend.Requests
    })

[<Theory>]
[<InlineData("Transfer-Encoding: gzip, chunked\r\n", 501)>]
[<InlineData("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501)>]
[<InlineData("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400)>]
let ``A framing that a backend could read differently is refused, and the connection is closed``
    (framing: string, status: int)
    =
    Balancers.withOne (Script.always (Script.ok "fine")) (fun backend running -> task {
        use! client = running.Connect()
        let! response = client.Ask $"POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n0\r\n\r\n"
        Assert.Equal(status, Message.status response)
        Assert.Equal(Some "close", Message.value "Connection" response)
        Assert.Empty backend.Requests
    })

[<Fact>]
let ``Underscore forms of forwarding headers are dropped even when those with dashes are believed`` () =
    Balancers.withOneAnd
        (fun settings -> { settings with TrustForwarded = true })
        (Script.always (Script.ok "fine"))
        (fun backend running -> task {
            let! _ = running.Ask "GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 6.6.6.6\r\n\r\n"
            Assert.False(Message.has "X_Forwarded_For" (List.exactlyOne backend.Requests))
        })

/// Settings under which a single failure of the backend would take it out.
let private strict (settings: Settings) = {
    settings with
        Pool = {
            settings.Pool with
                Check = {
                    settings.Pool.Check with
                        Thresholds = { Rise = 1; Fall = 1 }
                }
        }
}

[<Fact>]
let ``A stream without news is cut, and not held against the backend`` () =
    let change =
        strict
        >> Balancers.withTimeouts (fun timeouts -> {
            timeouts with
                Idle = milliseconds 300.0
        })

    let script: Script =
        Script.once (fun connection _ -> task {
            do! connection.Send "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
            do! connection.Left()
        })

    Balancers.withOneAnd change script (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        let! head = client.ReadHead()
        Assert.Equal(200, Message.status head)
        let! _ = client.Wire.ReadToEnd()
        do! Eventually.holds "the lease is given back" (fun () -> running.InFlight = 0)
        Assert.Equal<int64[]>([| 0L |], running.Failures)
    })

[<Fact>]
let ``A backend that closes instead of taking a body is not blamed`` () =
    let script: Script =
        fun connection -> task {
            let! _ = connection.ReadHead()
            do! connection.Send "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            connection.Reset()
        }

    let size = 64 * 1024 * 1024

    Balancers.withOneAnd strict script (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send $"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n"

        let upload = task {
            try
                do! client.Send(Array.zeroCreate<byte> size)
            with
            | :? IO.IOException
            | :? SocketException -> ()
        }

        let! head = client.ReadHead()
        Assert.Contains(Message.status head, [ 413; 502 ])
        do! Eventually.holds "the lease is given back" (fun () -> running.InFlight = 0)
        Assert.Equal<int64[]>([| 0L |], running.Failures)
        client.Reset()
        do! upload
    })

[<Fact>]
let ``Trailers reach a client that takes any, announced or not, but none that frame the message`` () =
    let answer =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\nContent-Length: 7\r\n\r\n"

    Balancers.withOne (Script.always answer) (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n"
        let! bytes, _ = client.Wire.ReadToEnd()
        let text = Text.Encoding.Latin1.GetString bytes
        Assert.EndsWith("2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n", text)
    })

[<Fact>]
let ``The head does not wait for a small body`` () =
    let script: Script =
        Script.once (fun connection _ -> task {
            do! connection.Send "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
            // The rest comes only when the client has seen the head.
            let! _ = connection.Wire.ReadExactly 0
            do! connection.Left()
        })

    Balancers.withOne script (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        let! head = client.ReadHead()
        Assert.Equal(200, Message.status head)
        client.Reset()
    })

let private certificate () =
    use key = RSA.Create 2048

    let request =
        CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)

    let now = DateTimeOffset.UtcNow
    use unlinked = request.CreateSelfSigned(now.AddDays -1.0, now.AddDays 1.0)
    // A key that was never exported cannot serve everywhere.
    X509CertificateLoader.LoadPkcs12(unlinked.Export X509ContentType.Pkcs12, null)

[<Fact>]
let ``An https backend is asked for by its own name, whatever the client's Host`` () = task {
    use listener = new TcpListener(IPAddress.Loopback, 0)
    listener.Start()
    let port = (listener.LocalEndpoint :?> IPEndPoint).Port
    use certificate = certificate ()
    let asked = TaskCompletionSource<string>()

    let serve: Task = task {
        while not asked.Task.IsCompleted do
            use! socket = listener.AcceptTcpClientAsync()
            use stream = new SslStream(socket.GetStream())

            let choose =
                ServerOptionsSelectionCallback(fun _ hello _ _ ->
                    asked.TrySetResult hello.ServerName |> ignore
                    ValueTask<_>(SslServerAuthenticationOptions(ServerCertificate = certificate)))

            try
                do! stream.AuthenticateAsServerAsync(choose, null, Threading.CancellationToken.None)
            with
            | :? Security.Authentication.AuthenticationException
            | :? IO.IOException -> ()
    }

    do!
        Balancers.run id [ $"https://localhost:{port}" ] (fun running -> task {
            let! response = running.Ask "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"
            // The certificate is not trusted here; what counts is the name that was asked for.
            Assert.Equal(502, Message.status response)
            let! name = asked.Task.WaitAsync Eventually.patience
            Assert.Equal("localhost", name)
        })

    listener.Stop()

    try
        do! serve
    with
    | :? SocketException
    | :? ObjectDisposedException -> ()
}

[<Fact>]
let ``A document that is nested without end is refused`` () =
    let text = "backends: " + String('[', 200_000)

    match YamlTree.parse "deep.yaml" text with
    | Ok _ -> failwith "it was read"
    | Error faults -> Assert.Contains("nested too deeply", Fault.render (List.exactlyOne faults))
