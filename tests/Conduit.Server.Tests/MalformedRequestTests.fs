module Conduit.Server.Tests.MalformedRequestTests

open System
open System.Text
open Xunit

[<Theory>]
[<InlineData "garbage\r\n\r\n">]
[<InlineData "GET\r\n\r\n">]
[<InlineData "GET /\r\n\r\n">]
[<InlineData "G@T / HTTP/1.1\r\nHost: a\r\n\r\n">]
[<InlineData "GET / HTTP/1.1\r\n\r\n">]
[<InlineData "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n">]
[<InlineData "GET / HTTP/1.1\r\nHost: a b\r\n\r\n">]
[<InlineData "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n">]
[<InlineData "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n">]
[<InlineData "GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n">]
[<InlineData "GET / HTTP/1.1\r\nHost: a\r\nName : x\r\n\r\n">]
[<InlineData "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n">]
[<InlineData "GET / HTTP/1.1\r\nHost: a\r\nX: a\u0000b\r\n\r\n">]
[<InlineData "GET /\u0000 HTTP/1.1\r\nHost: a\r\n\r\n">]
[<InlineData "GET /\u00e4 HTTP/1.1\r\nHost: a\r\n\r\n">]
[<InlineData "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: five\r\n\r\nhello">]
[<InlineData "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n">]
[<InlineData "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!">]
[<InlineData "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n">]
[<InlineData "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n">]
[<InlineData "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!!\r\n0\r\n\r\n">]
let ``A malformed request is answered 400 and the connection is closed`` (request: string) =
    Balancers.withOne (Script.always (Script.ok "fine")) (fun backend running -> task {
        use! client = running.Connect()
        do! client.Send request
        let! response = client.ReadResponse()

        Assert.Equal(400, Message.status response)
        Assert.Equal(Some "close", Message.value "Connection" response)
        let! rest, _ = client.Wire.ReadToEnd()
        Assert.Empty rest
        Assert.Empty backend.Requests
        Assert.Equal<int64[]>([| 0L |], running.Failures)

        let! after = running.Get "/"
        Assert.Equal("fine", Message.text after)
    })

[<Theory>]
[<InlineData("GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505)>]
[<InlineData("GET / HTTX/1.1\r\nHost: a\r\n\r\n", 505)>]
[<InlineData("GET nopath HTTP/1.1\r\nHost: a\r\n\r\n", 405)>]
let ``Where there is a better status than 400 it is used`` (request: string, status: int) =
    Balancers.withOne (Script.always (Script.ok "fine")) (fun backend running -> task {
        use! client = running.Connect()
        let! response = client.Ask request
        Assert.Equal(status, Message.status response)
        let! _ = client.Wire.ReadToEnd()
        Assert.Empty backend.Requests
    })

[<Fact>]
let ``Heads that are too large are refused`` () =
    Balancers.withOne (Script.always (Script.ok "fine")) (fun backend running -> task {
        let long = String('x', 40_000)

        for request, status in
            [
                $"GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n", 414
                $"GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n", 431
            ] do
            use! client = running.Connect()
            do! client.Send request
            let! response = client.ReadResponse()
            Assert.Equal(status, Message.status response)

        Assert.Empty backend.Requests
    })

[<Theory>]
[<InlineData("CONNECT other.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n", 405)>]
[<InlineData("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 501)>]
let ``What a balancer does not do is refused, with a line in the log`` (request: string, status: int) =
    Balancers.withOne (Script.always (Script.ok "fine")) (fun backend running -> task {
        let! response = running.Ask request
        Assert.Equal(status, Message.status response)
        let id = Message.value "X-Request-Id" response |> Option.get
        Assert.Contains(running.Log.Warnings, fun line -> line.Contains id)
        Assert.Empty backend.Requests
    })

[<Fact>]
let ``Garbage of any kind never ends the process`` () =
    let random = Random 7

    let garbage = [
        for _ in 1..100 do
            let bytes = Array.zeroCreate<byte>(random.Next(1, 400))
            random.NextBytes bytes
            bytes

        for start in
            [
                "GET / HTTP/1.1\r\nHost: a\r\n"
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            ] do
            for _ in 1..50 do
                let bytes = Array.zeroCreate<byte>(random.Next(1, 100))
                random.NextBytes bytes
                Array.append (Encoding.Latin1.GetBytes start) bytes
    ]

    Balancers.withOne (Script.always (Script.ok "fine")) (fun _ running -> task {
        for bytes in garbage do
            use! client = running.Connect()
            do! client.Send bytes
            // Half of them leave at once, the others say that no more will come.
            if bytes[0] % 2uy = 0uy then
                client.Finish()
                let! _ = client.Wire.ReadToEnd()
                ()
            else
                client.Reset()

        let! after = running.Get "/"
        Assert.Equal("fine", Message.text after)
    })

[<Fact>]
let ``Garbage from a backend never ends the process`` () =
    let random = Random 11

    let script: Script =
        Script.once (fun connection _ ->
            let bytes = Array.zeroCreate<byte>(random.Next(1, 400))
            random.NextBytes bytes

            let start = [
                ""
                "HTTP/1.1 "
                "HTTP/1.1 200 OK\r\n"
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            ]

            connection.Send(Array.append (Encoding.Latin1.GetBytes start[random.Next start.Length]) bytes))

    Balancers.withOne script (fun _ running -> task {
        for _ in 1..100 do
            use! client = running.Connect()
            do! client.Send "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            let! bytes, _ = client.Wire.ReadToEnd()
            Assert.StartsWith("HTTP/1.1 ", Encoding.Latin1.GetString bytes)
    })
