module Conduit.Server.Tests.HopByHopTests

open Xunit

let private answer = Script.always (Script.ok "fine")

[<Fact>]
let ``Headers of the client's connection stay behind`` () =
    Balancers.withOne answer (fun backend running -> task {
        let! _ =
            running.Ask(
                "GET / HTTP/1.1\r\nHost: conduit.test\r\nConnection: X-Private , x-other\r\n"
                + "Connection: x-third\r\nX-Private: 1\r\nX-Other: 2\r\nx-third: 3\r\nKeep-Alive: timeout=5\r\n"
                + "Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\nProxy-Authenticate: x\r\n"
                + "TE: gzip\r\nX-Public: 4\r\n\r\n"
            )

        let request = backend.Request

        for name in
            [
                "Connection"
                "X-Private"
                "X-Other"
                "X-Third"
                "Keep-Alive"
                "Proxy-Connection"
                "Proxy-Authorization"
                "Proxy-Authenticate"
                "TE"
            ] do
            Assert.Empty(Message.values name request)

        Assert.Equal(Some "4", Message.value "X-Public" request)
    })

[<Fact>]
let ``Headers of the backend's connection stay behind`` () =
    let response =
        "HTTP/1.1 200 OK\r\nConnection: X-Private, keep-alive\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\n"
        + "Proxy-Authenticate: Basic\r\nProxy-Connection: close\r\nUpgrade: h2\r\nX-Public: 2\r\n"
        + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"

    Balancers.withOne (Script.always response) (fun _ running -> task {
        let! response = running.Get "/"

        for name in
            [
                "Connection"
                "X-Private"
                "Keep-Alive"
                "Proxy-Authenticate"
                "Proxy-Connection"
                "Upgrade"
            ] do
            Assert.Empty(Message.values name response)

        Assert.Equal(Some "2", Message.value "X-Public" response)
        Assert.Equal<string list>([ "chunked" ], Message.values "Transfer-Encoding" response)
        Assert.Equal("ok", Message.text response)
    })

[<Fact>]
let ``Connection close from the backend does not close the client's connection`` () =
    Balancers.withOne
        (Script.closing "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        (fun backend running -> task {
            use! client = running.Connect()

            for _ in 1..3 do
                let! response = client.Ask "GET / HTTP/1.1\r\nHost: conduit.test\r\n\r\n"
                Assert.Equal("ok", Message.text response)
                Assert.Empty(Message.values "Connection" response)

            Assert.Equal(3, backend.Connections)
        })

[<Fact>]
let ``Connection close from the client closes only the client's connection`` () =
    Balancers.withOne answer (fun backend running -> task {
        for _ in 1..3 do
            use! client = running.Connect()
            do! client.Send "GET / HTTP/1.1\r\nHost: conduit.test\r\nConnection: close\r\n\r\n"
            let! response = client.ReadResponse()
            Assert.Equal(Some "close", Message.value "Connection" response)
            let! rest, ending = client.Wire.ReadToEnd()
            Assert.Empty rest
            Assert.Equal(Finished, ending)

        Assert.Equal(1, backend.Connections)
        Assert.All(backend.Requests, fun request -> Assert.False(Message.has "Connection" request))
    })

[<Fact>]
let ``TE trailers alone is passed on`` () =
    Balancers.withOne answer (fun backend running -> task {
        let! _ =
            running.Ask
                "GET / HTTP/1.1\r\nHost: conduit.test\r\nConnection: TE\r\nTE: trailers, deflate;q=0.5\r\n\r\n"

        Assert.Equal<string list>([ "trailers" ], Message.values "TE" backend.Request)
    })

[<Theory>]
[<InlineData "h2c">]
[<InlineData "H2C">]
[<InlineData "websocket, h2c">]
let ``An upgrade to h2c is not passed on`` (protocol: string) =
    Balancers.withOne answer (fun backend running -> task {
        let! response =
            running.Ask(
                "GET / HTTP/1.1\r\nHost: conduit.test\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                + $"Upgrade: {protocol}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
            )

        Assert.Equal(200, Message.status response)
        Assert.False(Message.has "Upgrade" backend.Request)
        Assert.False(Message.has "Connection" backend.Request)
        Assert.False(Message.has "HTTP2-Settings" backend.Request)
    })

[<Fact>]
let ``An Upgrade that Connection does not name is not passed on`` () =
    Balancers.withOne answer (fun backend running -> task {
        let! _ =
            running.Ask "GET / HTTP/1.1\r\nHost: conduit.test\r\nUpgrade: websocket\r\n\r\n"

        Assert.False(Message.has "Upgrade" backend.Request)
        Assert.False(Message.has "Connection" backend.Request)
    })
