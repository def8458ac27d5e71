module Conduit.Server.Tests.TransparencyTests

open System.Threading.Tasks
open Xunit

let private get target =
    $"GET {target} HTTP/1.1\r\nHost: conduit.test\r\n\r\n"

/// The request that a backend sees when the client sends these bytes.
let private seen (base': string) (request: string) : Task<Message> = task {
    use backend = ScriptedBackend.Start(Script.always (Script.ok "fine"))

    do!
        Balancers.run id [ backend.Url + base' ] (fun running -> task {
            let! response = running.Ask request
            Assert.Equal(200, Message.status response)
        })

    return backend.Request
}

/// The response that a client sees when the backend sends these bytes.
let private relayed (response: string) : Task<Message> = task {
    use backend = ScriptedBackend.Start(Script.always response)
    use log = new CapturedLog()
    use! running = Balancers.start log (Balancers.settings [ backend.Url ])
    return! running.Get "/"
}

[<Theory>]
[<InlineData "/">]
[<InlineData "/a%2Fb">]
[<InlineData "/a%2fb%20c%25">]
[<InlineData "//two//slashes">]
[<InlineData "//other.test/path">]
[<InlineData "/a/../b/./c">]
[<InlineData "/%2e%2e/%2E">]
[<InlineData "/a?">]
[<InlineData "/a??b=c?d">]
[<InlineData "/a?b=%2F&c=/../&d=//&e">]
[<InlineData "/a?next=http://other.test/x">]
[<InlineData "/%E4%BD%A0%ff">]
[<InlineData "/a;b=c,d:e@f!$&'()*+=~_-.">]
[<InlineData "/a%zz%">]
[<InlineData "/a|b\\c^d`e{f}g[h]\"i<j>">]
[<InlineData "/a#b?c">]
[<InlineData "/trailing/">]
let ``The target reaches the backend byte for byte`` (target: string) = task {
    let! request = seen "" (get target)
    Assert.Equal($"GET {target} HTTP/1.1", request.Start)
}

[<Theory>]
[<InlineData("/base", "/x?y", "/base/x?y")>]
[<InlineData("/base/", "/", "/base/")>]
[<InlineData("/a/b", "//x/../y", "/a/b//x/../y")>]
let ``A backend's base path is put before the target`` (base': string, target: string, expected: string) =
    task {
        let! request = seen base' (get target)
        Assert.Equal(expected, Message.target request)
    }

[<Theory>]
[<InlineData("http://conduit.test/x%2Fy?z", "/x%2Fy?z")>]
[<InlineData("http://conduit.test", "/")>]
[<InlineData("http://conduit.test?q", "/?q")>]
let ``A target in absolute form is sent on in origin form`` (target: string, expected: string) = task {
    let! request = seen "" (get target)
    Assert.Equal(expected, Message.target request)
    Assert.Equal<string list>([ "conduit.test" ], Message.values "Host" request)
}

[<Theory>]
[<InlineData "shop.test">]
[<InlineData "shop.test:8080">]
[<InlineData "[::1]:99">]
let ``The Host that the client sent is kept`` (host: string) = task {
    let! request = seen "" $"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"
    Assert.Equal<string list>([ host ], Message.values "Host" request)
}

[<Theory>]
[<InlineData "OPTIONS">]
[<InlineData "DELETE">]
[<InlineData "PATCH">]
[<InlineData "PROPFIND">]
[<InlineData "M-SEARCH">]
[<InlineData "purge">]
[<InlineData "X!#$%&'*+.^_`|~9">]
let ``Methods are kept, unknown ones too`` (method: string) = task {
    let! request =
        seen "" $"{method} / HTTP/1.1\r\nHost: conduit.test\r\nContent-Length: 0\r\n\r\n"

    Assert.Equal(method, Message.method request)
}

[<Fact>]
let ``Several values of a header are kept in their order`` () = task {
    let! request =
        seen
            ""
            ("GET / HTTP/1.1\r\nHost: conduit.test\r\nX-List: one\r\nAccept: text/html, */*;q=0.1\r\n"
             + "X-List: two, three\r\nAccept: image/png\r\nx-list: four\r\n\r\n")

    Assert.Equal(Some "one, two, three, four", Message.value "X-List" request)
    Assert.Equal(Some "text/html, */*;q=0.1, image/png", Message.value "Accept" request)
}

[<Fact>]
let ``Values come as they were sent: empty, quoted, with bytes beyond ASCII`` () = task {
    let! request =
        seen
            ""
            ("GET / HTTP/1.1\r\nHost: conduit.test\r\nX-Empty:\r\nX-Latin: caf\u00e9 \u00ff\u0080\r\n"
             + "X-Utf: \u00e4\u00bd\u00a0\r\nUser-Agent: odd (agent; \u00fc) x/1 ((\r\n"
             + "Cookie: a=b; c=\"d,e\"; f\r\nAuthorization: \r\nIf-None-Match: W/\"x\", bad\r\n"
             + "Date: not a date\r\nReferer: ::no uri::\r\nRange: bytes=0-,x\r\nX-Inner: a  b\tc\r\n\r\n")

    let same name expected =
        Assert.Equal<string list>([ expected ], Message.values name request)

    same "X-Empty" ""
    same "X-Latin" "caf\u00e9 \u00ff\u0080"
    same "X-Utf" "\u00e4\u00bd\u00a0"
    same "User-Agent" "odd (agent; \u00fc) x/1 (("
    same "Cookie" "a=b; c=\"d,e\"; f"
    same "Authorization" ""
    same "If-None-Match" "W/\"x\", bad"
    same "Date" "not a date"
    same "Referer" "::no uri::"
    same "Range" "bytes=0-,x"
    same "X-Inner" "a  b\tc"
}

[<Fact>]
let ``Headers that describe a body are kept on a request without one`` () = task {
    let! request =
        seen
            ""
            ("GET / HTTP/1.1\r\nHost: conduit.test\r\nContent-Type: application/json\r\n"
             + "Content-Language: de\r\nExpires: 0\r\nX-Other: 1\r\n\r\n")

    Assert.Equal(Some "application/json", Message.value "Content-Type" request)
    Assert.Equal(Some "de", Message.value "Content-Language" request)
    Assert.Equal(Some "0", Message.value "Expires" request)
    Assert.Equal(Some "1", Message.value "X-Other" request)
    Assert.Empty(Message.values "Transfer-Encoding" request)
}

[<Fact>]
let ``Nothing is added to a request but X-Forwarded`` () = task {
    let! request = seen "" "GET / HTTP/1.1\r\nHost: conduit.test\r\nX-Mine: 1\r\n\r\n"

    let names = request.Headers |> List.map fst |> List.sort
    let expected = [ "Host"; "X-Forwarded-For"; "X-Forwarded-Host"; "X-Forwarded-Proto"; "X-Mine" ]
    Assert.Equal<string list>(expected, names)
}

[<Fact>]
let ``A response's headers come as the backend sent them, repeated ones apart`` () = task {
    let! response =
        relayed (
            "HTTP/1.1 200 OK\r\nDate: yesterday\r\nServer: odd/1 (\u00e9)\r\nSet-Cookie: a=1; Path=/\r\n"
            + "Set-Cookie: b=2, x; HttpOnly\r\nX-Empty:\r\nExpires: -1\r\nLast-Modified: never\r\n"
            + "ETag: no-quotes\r\nContent-Type: odd\r\nSet-Cookie: c=3\r\nVary: a\r\nVary: b\r\n"
            + "Content-Length: 2\r\n\r\nok"
        )

    let are name expected =
        Assert.Equal<string list>(expected, Message.values name response)

    are "Date" [ "yesterday" ]
    are "Server" [ "odd/1 (\u00e9)" ]
    are "Set-Cookie" [ "a=1; Path=/"; "b=2, x; HttpOnly"; "c=3" ]
    are "X-Empty" [ "" ]
    are "Expires" [ "-1" ]
    are "Last-Modified" [ "never" ]
    are "ETag" [ "no-quotes" ]
    are "Content-Type" [ "odd" ]
    Assert.Equal(Some "a, b", Message.value "Vary" response)
    are "Content-Length" [ "2" ]
    Assert.Equal("ok", Message.text response)
}

[<Theory>]
[<InlineData("200 Fine by me", 200, "Fine by me")>]
[<InlineData("200 OK", 200, "OK")>]
[<InlineData("299 Own code", 299, "Own code")>]
[<InlineData("404 Nothing here", 404, "Nothing here")>]
[<InlineData("500 Internal Server Error", 500, "Internal Server Error")>]
[<InlineData("599 Odd", 599, "Odd")>]
let ``Status and reason come as the backend sent them`` (line: string, status: int, reason: string) = task {
    let! response = relayed $"HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n"
    Assert.Equal(status, Message.status response)
    Assert.Equal(reason, Message.reason response)
}

[<Fact>]
let ``Redirects, cookies and encodings are the client's business`` () =
    Balancers.withOne
        (Script.always
            "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nSet-Cookie: a=1\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\u001f\u008b\u0000")
        (fun backend running -> task {
            let! first = running.Get "/"
            Assert.Equal(302, Message.status first)
            Assert.Equal("\u001f\u008b\u0000", Message.text first)
            Assert.Equal(Some "gzip", Message.value "Content-Encoding" first)

            let! _ = running.Get "/"

            for request in backend.Requests do
                Assert.False(Message.has "Cookie" request)
                Assert.False(Message.has "Accept-Encoding" request)
        })
