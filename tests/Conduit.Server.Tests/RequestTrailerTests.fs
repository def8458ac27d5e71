module Conduit.Server.Tests.RequestTrailerTests

open System.Threading.Tasks
open Xunit
open Conduit

let private chunked trailers =
    "POST / HTTP/1.1\r\nHost: conduit.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
    + $"5\r\nhello\r\n0\r\n{trailers}\r\n"

let private sum = [ "X-Sum", "7"; "X-Sum", "8" ]

/// Whether this run forwards by HttpClient, which sends no trailers.
let private isDirect =
    System.Environment.GetEnvironmentVariable "CONDUIT_TEST_TRANSPORT"
    <> "httpclient"

let private expected trailers = if isDirect then trailers else []

[<Fact>]
let ``trailers of a request in chunks reach the backend, and are announced as they were`` () =
    Balancers.withOne (Script.always (Script.ok "")) (fun backend running -> task {
        let! _ = running.Ask(chunked "X-Sum: 7\r\nX-Sum: 8\r\n")
        let request = backend.Request
        Assert.Equal("hello", Message.text request)
        Assert.Equal<(string * string) list>(expected sum, request.Trailers)

        if isDirect then
            Assert.Equal(Some "X-Sum", Message.value "Trailer" request)
    })

[<Fact>]
let ``trailers reach the backend also when they come after the head was sent`` () =
    Balancers.withOne (Script.always (Script.ok "")) (fun backend running -> task {
        use! client = running.Connect()
        let text = chunked "X-Sum: 7\r\n"
        do! client.Send(text.Substring(0, text.Length - 14))
        do! Eventually.holds "the head is there" (fun () -> running.InFlight = 1)
        do! client.Send(text.Substring(text.Length - 14))
        let! _ = client.ReadResponse()
        Assert.Equal<(string * string) list>(expected [ "X-Sum", "7" ], backend.Request.Trailers)
    })

[<Fact>]
let ``trailers of a stream of HTTP/2 reach a backend of HTTP/1.1`` () =
    Balancers.withOne (Script.always (Script.ok "")) (fun backend running -> task {
        use! client = Http2Client.Connect running.Port

        do!
            client.Send [
                Http2Frame.request "POST" 1
                Http2Frame.data 1 0uy "hello"B
                Http2Frame.trailers 1 [ "x-sum", "7" ]
            ]

        let! _ = client.ReadHead 1
        let request = backend.Request
        Assert.Equal("hello", Message.text request)
        Assert.Equal<(string * string) list>(expected [ "x-sum", "7" ], request.Trailers)
    })

[<Theory>]
[<InlineData "Content-Length: 3">]
[<InlineData "Transfer-Encoding: chunked">]
[<InlineData "Connection: close">]
[<InlineData "Host: other">]
[<InlineData "X-Forwarded-For: 192.0.2.1">]
[<InlineData "X-Client-Cert-Subject: CN=admin">]
let ``trailers that would say what a client's header may not stay behind`` (trailer: string) =
    Balancers.withOne (Script.always (Script.ok "")) (fun backend running -> task {
        let! _ = running.Ask(chunked $"{trailer}\r\n")
        Assert.Empty backend.Request.Trailers
    })
