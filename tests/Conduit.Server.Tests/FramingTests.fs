module Conduit.Server.Tests.FramingTests

open System.Text
open System.Threading.Tasks
open Xunit

let private get = "GET / HTTP/1.1\r\nHost: conduit.test\r\n\r\n"

/// Asks twice on one connection: the second response is right only if the first ended where it should.
let private twice (running: Running) (request: string) : Task<Message * Message> = task {
    use! client = running.Connect()
    let! first = client.Ask request
    let! second = client.Ask get
    return first, second
}

[<Theory>]
[<InlineData "Content-Length: 1234\r\n">]
[<InlineData "Content-Length: 0\r\n">]
[<InlineData "Transfer-Encoding: chunked\r\n">]
[<InlineData "">]
let ``A response to HEAD ends with its head`` (length: string) =
    let answer request =
        if Message.method request = "HEAD" then
            $"HTTP/1.1 200 OK\r\nX-Head: 1\r\n{length}\r\n"
        else
            Script.ok "after"

    Balancers.withOne (Script.answering answer) (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send "HEAD / HTTP/1.1\r\nHost: conduit.test\r\n\r\n"
        let! head = client.ReadResponseToHead()
        Assert.Equal(Some "1", Message.value "X-Head" head)

        if length.StartsWith "Content-Length" then
            Assert.Equal(Some(length.Substring(16).Trim()), Message.value "Content-Length" head)

        let! after = client.Ask get
        Assert.Equal("after", Message.text after)
    })

[<Theory>]
[<InlineData("204 No Content", "")>]
[<InlineData("204 No Content", "Content-Length: 0\r\n")>]
[<InlineData("304 Not Modified", "")>]
[<InlineData("304 Not Modified", "Content-Length: 1234\r\nETag: \"x\"\r\n")>]
[<InlineData("205 Reset Content", "Content-Length: 0\r\n")>]
[<InlineData("200 OK", "Content-Length: 0\r\n")>]
let ``A response without a body ends with its head`` (status: string, headers: string) =
    Balancers.withOne
        (Script.inTurn [
            fun connection -> task {
                let! _ = connection.ReadRequest()
                do! connection.Send $"HTTP/1.1 {status}\r\n{headers}\r\n"
                do! Script.always (Script.ok "after") connection
            }
        ])
        (fun _ running -> task {
            let! first, second = twice running get
            Assert.StartsWith($"HTTP/1.1 {status}", first.Start)
            Assert.Empty first.Body
            Assert.False(Message.has "Transfer-Encoding" first)

            if status.StartsWith "304" && headers <> "" then
                Assert.Equal(Some "1234", Message.value "Content-Length" first)

            if status.StartsWith "204" then
                Assert.False(Message.has "Content-Length" first)

            Assert.Equal("after", Message.text second)
        })

[<Theory>]
[<InlineData 1>]
[<InlineData 4096>]
[<InlineData 4097>]
[<InlineData 1000000>]
let ``A sized response keeps its size`` (size: int) =
    let body = String.init (size / 10 + 1) (fun i -> sprintf "%09d " i)
    let body = body.Substring(0, size)

    Balancers.withOne (Script.always (Script.ok body)) (fun _ running -> task {
        let! first, second = twice running get

        for response in [ first; second ] do
            Assert.Equal(Some(string size), Message.value "Content-Length" response)
            Assert.False(Message.has "Transfer-Encoding" response)
            Assert.Equal(body, Message.text response)
    })

[<Theory>]
[<InlineData("0\r\n\r\n", "")>]
[<InlineData("5\r\nhello\r\n0\r\n\r\n", "hello")>]
[<InlineData("1\r\na\r\n0002;ext=\"x\"\r\nbc\r\nA\r\n0123456789\r\n000\r\n\r\n", "abc0123456789")>]
let ``A chunked response stays chunked`` (chunks: string, body: string) =
    Balancers.withOne
        (Script.always $"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")
        (fun _ running -> task {
            let! first, second = twice running get

            for response in [ first; second ] do
                Assert.Equal(body, Message.text response)
                Assert.Equal(200, Message.status response)
        })

[<Theory>]
[<InlineData "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n">]
[<InlineData "HTTP/1.0 200 OK\r\n\r\n">]
[<InlineData "HTTP/1.0 200 OK\r\nContent-Length: 12\r\n\r\n">]
let ``A body that ends with the connection is chunked for the client`` (head: string) =
    Balancers.withOne (Script.closing (head + "until closed")) (fun _ running -> task {
        let! first, second = twice running get

        for response in [ first; second ] do
            Assert.StartsWith("HTTP/1.1 200", response.Start)
            Assert.Equal("until closed", Message.text response)
    })

[<Fact>]
let ``Chunked framing wins over a Content-Length that comes with it`` () =
    Balancers.withOne
        (Script.always
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        (fun _ running -> task {
            let! first, second = twice running get

            for response in [ first; second ] do
                Assert.False(Message.has "Content-Length" response)
                Assert.Equal("hello", Message.text response)
        })

[<Fact>]
let ``An HTTP/1.0 client gets a body without chunks and a closed connection`` () =
    Balancers.withOne
        (Script.always "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        (fun backend running -> task {
            use! client = running.Connect()
            let! response = client.Ask "GET /old HTTP/1.0\r\n\r\n"
            Assert.False(Message.has "Transfer-Encoding" response)
            Assert.Equal("hello", Message.text response)
            Assert.Equal("GET /old HTTP/1.1", backend.Request.Start)
        })

[<Fact>]
let ``An HTTP/1.0 client may keep its connection`` () =
    Balancers.withOne (Script.always (Script.ok "sized")) (fun _ running -> task {
        use! client = running.Connect()

        for _ in 1..2 do
            let! response = client.Ask "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
            Assert.Equal(Some "keep-alive", Message.value "Connection" response)
            Assert.Equal("sized", Message.text response)
    })

/// Answers with the request's body and how it was framed.
let private echo =
    Script.answering (fun request ->
        let framing =
            match Message.value "Transfer-Encoding" request, Message.value "Content-Length" request with
            | Some coding, None -> coding
            | None, Some length -> length
            | None, None -> "none"
            | _ -> "both"

        $"HTTP/1.1 200 OK\r\nX-Framing: {framing}\r\nContent-Length: {request.Body.Length}\r\n\r\n{Message.text request}")

[<Theory>]
[<InlineData("POST", "Content-Length: 5\r\n", "hello", "5", "hello")>]
[<InlineData("PUT", "Content-Length: 5\r\n", "hello", "5", "hello")>]
[<InlineData("GET", "Content-Length: 5\r\n", "hello", "5", "hello")>]
[<InlineData("DELETE", "Content-Length: 5\r\n", "hello", "5", "hello")>]
[<InlineData("PURGE", "Content-Length: 5\r\n", "hello", "5", "hello")>]
[<InlineData("POST", "Content-Length: 0\r\n", "", "0", "")>]
[<InlineData("POST", "", "", "0", "")>]
[<InlineData("PATCH", "", "", "0", "")>]
[<InlineData("GET", "", "", "none", "")>]
[<InlineData("DELETE", "", "", "none", "")>]
[<InlineData("POST", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n", "chunked", "")>]
[<InlineData("POST",
             "Transfer-Encoding: chunked\r\n",
             "5\r\nhello\r\n1;x\r\n!\r\n0\r\n\r\n",
             "chunked",
             "hello!")>]
[<InlineData("GET", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", "chunked", "hello")>]
let ``A request's body and its framing are kept``
    (method: string, headers: string, sent: string, framing: string, body: string)
    =
    Balancers.withOne echo (fun _ running -> task {
        let! first, second =
            twice running $"{method} / HTTP/1.1\r\nHost: conduit.test\r\n{headers}\r\n{sent}"

        Assert.Equal(Some framing, Message.value "X-Framing" first)
        Assert.Equal(body, Message.text first)
        Assert.Equal(Some "none", Message.value "X-Framing" second)
    })

[<Fact>]
let ``A request that is both chunked and sized cannot smuggle another`` () =
    Balancers.withOne echo (fun backend running -> task {
        use! client = running.Connect()

        do!
            client.Send(
                "POST / HTTP/1.1\r\nHost: conduit.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: conduit.test\r\n\r\n"
            )

        let! first = client.ReadResponse()
        // Refusing is right, and so is going by the chunks alone; then what follows is a request.
        if Message.status first = 200 then
            Assert.Equal(Some "chunked", Message.value "X-Framing" first)
        else
            Assert.Equal(400, Message.status first)
            Assert.Empty backend.Requests
    })

[<Fact>]
let ``Every byte value passes both ways`` () =
    let bytes = Array.init 65536 (fun i -> byte (i * 7 + i / 256))
    let text = Encoding.Latin1.GetString bytes

    Balancers.withOne echo (fun _ running -> task {
        let! first, _ =
            twice
                running
                $"POST / HTTP/1.1\r\nHost: conduit.test\r\nContent-Length: {bytes.Length}\r\n\r\n{text}"

        Assert.Equal(text, Message.text first)
    })

[<Fact>]
let ``Pipelined requests are answered in their order`` () =
    Balancers.withOne
        (Script.answering (fun request -> Script.ok (Message.target request + Message.text request)))
        (fun _ running -> task {
            use! client = running.Connect()

            let requests = [
                for i in 1..20 do
                    $"POST /{i} HTTP/1.1\r\nHost: conduit.test\r\nContent-Length: 2\r\n\r\n:x"
                    $"GET /{i} HTTP/1.1\r\nHost: conduit.test\r\n\r\n"
            ]

            do! client.Send(String.concat "" requests)

            for i in 1..20 do
                let! post = client.ReadResponse()
                Assert.Equal($"/{i}:x", Message.text post)
                let! get = client.ReadResponse()
                Assert.Equal($"/{i}", Message.text get)
        })

[<Fact>]
let ``Announced trailers reach the client`` () =
    Balancers.withOne
        (Script.always (
            "HTTP/1.1 200 OK\r\nTrailer: X-Sum, X-Empty\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "5\r\nhello\r\n3\r\nyou\r\n0\r\nX-Sum: 1\r\nX-Empty:\r\nX-Sum: \u00fc\r\n\r\n"
        ))
        (fun _ running -> task {
            let! first, second = twice running get

            for response in [ first; second ] do
                Assert.Equal("helloyou", Message.text response)
                Assert.Equal(Some "X-Sum, X-Empty", Message.value "Trailer" response)
                Assert.Equal<string list>([ "chunked" ], Message.values "Transfer-Encoding" response)

                Assert.Equal<(string * string) list>(
                    [ "X-Empty", ""; "X-Sum", "1"; "X-Sum", "\u00fc" ],
                    List.sort response.Trailers
                )
        })

[<Fact>]
let ``Trailers cannot change the framing`` () =
    Balancers.withOne
        (Script.always (
            "HTTP/1.1 200 OK\r\nTrailer: Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "2\r\nok\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\n"
        ))
        (fun _ running -> task {
            let! first, second = twice running get
            Assert.Empty first.Trailers
            Assert.Equal("ok", Message.text first)
            Assert.Equal("ok", Message.text second)
        })
