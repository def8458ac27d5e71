module Conduit.Server.Tests.ForwardedTests

open Xunit
open Conduit.Server

let private answer = Script.always (Script.ok "fine")

let private trusting (settings: Settings) = { settings with TrustForwarded = true }

let private spoofed =
    "GET / HTTP/1.1\r\nHost: shop.test:8080\r\nX-Forwarded-For: 1.1.1.1\r\nx-forwarded-for: 2.2.2.2\r\n"
    + "X-Forwarded-Proto: https\r\nX-Forwarded-Host: bank.test\r\nX-Forwarded-Port: 443\r\n"
    + "X-Forwarded-Prefix: /admin\r\nX_Forwarded_For: 3.3.3.3\r\nX-Forwarded_Host: bank.test\r\n"
    + "Forwarded: for=4.4.4.4\r\nX-Real-IP: 5.5.5.5\r\nx_real_ip: 6.6.6.6\r\nX-Forward: stays\r\n\r\n"

[<Fact>]
let ``The backend is told whom the request is for`` () =
    Balancers.withOne answer (fun backend running -> task {
        let! _ = running.Ask "GET / HTTP/1.1\r\nHost: shop.test:8080\r\n\r\n"
        let request = backend.Request
        Assert.Equal<string list>([ "127.0.0.1" ], Message.values "X-Forwarded-For" request)
        Assert.Equal<string list>([ "http" ], Message.values "X-Forwarded-Proto" request)
        Assert.Equal<string list>([ "shop.test:8080" ], Message.values "X-Forwarded-Host" request)
    })

[<Fact>]
let ``What a client claims is dropped, however it is spelt`` () =
    Balancers.withOne answer (fun backend running -> task {
        let! _ = running.Ask spoofed
        let request = backend.Request
        Assert.Equal<string list>([ "127.0.0.1" ], Message.values "X-Forwarded-For" request)
        Assert.Equal<string list>([ "http" ], Message.values "X-Forwarded-Proto" request)
        Assert.Equal<string list>([ "shop.test:8080" ], Message.values "X-Forwarded-Host" request)

        for name in
            [
                "X-Forwarded-Port"
                "X-Forwarded-Prefix"
                "X_Forwarded_For"
                "X-Forwarded_Host"
                "Forwarded"
                "X-Real-IP"
                "X_Real_IP"
            ] do
            Assert.Empty(Message.values name request)

        Assert.Equal(Some "stays", Message.value "X-Forward" request)
    })

[<Fact>]
let ``With trust, the client's chain is extended and the rest kept`` () =
    Balancers.withOneAnd trusting answer (fun backend running -> task {
        let! _ = running.Ask spoofed
        let request = backend.Request

        let chain =
            (Message.value "X-Forwarded-For" request |> Option.get).Split ','
            |> Array.map _.Trim()

        Assert.Equal<string[]>([| "1.1.1.1"; "2.2.2.2"; "127.0.0.1" |], chain)
        Assert.Equal<string list>([ "https" ], Message.values "X-Forwarded-Proto" request)
        Assert.Equal<string list>([ "bank.test" ], Message.values "X-Forwarded-Host" request)
        Assert.Equal(Some "/admin", Message.value "X-Forwarded-Prefix" request)
        Assert.Equal(Some "for=4.4.4.4", Message.value "Forwarded" request)
    })

[<Fact>]
let ``With trust, a client that claims nothing is told of as without`` () =
    Balancers.withOneAnd trusting answer (fun backend running -> task {
        let! _ = running.Get "/"
        let request = backend.Request
        Assert.Equal<string list>([ "127.0.0.1" ], Message.values "X-Forwarded-For" request)
        Assert.Equal<string list>([ "http" ], Message.values "X-Forwarded-Proto" request)
        Assert.Equal<string list>([ "conduit.test" ], Message.values "X-Forwarded-Host" request)
    })

[<Fact>]
let ``Naming X-Forwarded-For in Connection does not remove it`` () =
    Balancers.withOne answer (fun backend running -> task {
        let! _ =
            running.Ask
                "GET / HTTP/1.1\r\nHost: conduit.test\r\nConnection: X-Forwarded-For, X-Forwarded-Host\r\n\r\n"

        Assert.Equal<string list>([ "127.0.0.1" ], Message.values "X-Forwarded-For" backend.Request)
        Assert.Equal<string list>([ "conduit.test" ], Message.values "X-Forwarded-Host" backend.Request)
    })
