namespace Conduit.Server.Tests

open System
open System.IO
open System.Net
open System.Net.Http
open System.Net.Sockets
open System.Net.WebSockets
open System.Security.Cryptography
open System.Text
open System.Text.Json
open System.Threading
open System.Threading.Tasks
open Conduit.Server.Sample
open Xunit
open Conduit.Server.Tests.SampleBackendClient

/// The bodies of any size: echo, bytes, events and WebSockets.
module SampleBackendStreamTests =

    [<Fact>]
    let ``echo tells method, raw target, protocol and every header line`` () = task {
        use! backend = SampleBackend.start settings

        let! answer =
            raw
                backend
                "BREW /echo?q=%2F%2f/../x%20 HTTP/1.1\r\nHost: h\r\nX-Two: a\r\nX-Two: b, c\r\nX-Latin: \u00e9\r\nConnection: close\r\n\r\n"

        use document =
            JsonDocument.Parse(ReadOnlyMemory(Encoding.Latin1.GetBytes(bodyOf answer)))

        let told = document.RootElement

        let values (name: string) =
            told.GetProperty("headers").GetProperty(name).EnumerateArray()
            |> Seq.map (_.GetString() >> string)
            |> Seq.toList

        Assert.Equal("BREW", told.GetProperty("method").GetString())
        Assert.Equal("/echo?q=%2F%2f/../x%20", told.GetProperty("target").GetString())
        Assert.Equal("HTTP/1.1", told.GetProperty("protocol").GetString())
        Assert.Equal<string list>([ "a"; "b, c" ], values "X-Two")
        Assert.Equal<string list>([ "é" ], values "X-Latin")
        Assert.Equal<string list>([ "h" ], values "Host")
        Assert.Equal(0L, told.GetProperty("body_length").GetInt64())
    }

    [<Theory>]
    [<InlineData(false)>]
    [<InlineData(true)>]
    let ``echo measures the body, sized or chunked`` (chunked: bool) = task {
        use! backend = SampleBackend.start settings
        use client = newClient backend
        let body = Array.init 3_000_001 (fun i -> byte (i * 7))
        use request = new HttpRequestMessage(HttpMethod.Put, "/echo")
        request.Content <- new ByteArrayContent(body)
        request.Headers.TransferEncodingChunked <- Nullable chunked
        use! answer = client.SendAsync request
        let! text = answer.Content.ReadAsStringAsync()
        use document = JsonDocument.Parse text
        let told = document.RootElement
        Assert.Equal(int64 body.Length, told.GetProperty("body_length").GetInt64())

        Assert.Equal(
            Convert.ToHexStringLower(SHA256.HashData body),
            told.GetProperty("body_sha256").GetString()
        )
    }

    [<Fact>]
    let ``a body that stops half way counts as no request in flight`` () = task {
        use! backend = SampleBackend.start settings
        let caller = new TcpClient()
        do! caller.ConnectAsync(IPAddress.Loopback, backend.Port)
        let head = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf"
        do! caller.GetStream().WriteAsync(ReadOnlyMemory(Encoding.ASCII.GetBytes head))
        do! until "the request begins" (fun () -> backend.InFlight = 1)
        caller.Client.LingerState <- LingerOption(true, 0)
        caller.Dispose()
        do! until "the request is over" (fun () -> backend.InFlight = 0)
    }

    [<Theory>]
    [<InlineData(0)>]
    [<InlineData(1)>]
    [<InlineData(64256)>]
    [<InlineData(1_000_003)>]
    let ``bytes gives exactly n bytes, the same each time`` (count: int) = task {
        use! backend = SampleBackend.start settings
        use client = newClient backend
        use! answer = client.GetAsync $"/bytes?n={count}"
        let! body = answer.Content.ReadAsByteArrayAsync()
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode)
        Assert.Equal(Nullable(int64 count), answer.Content.Headers.ContentLength)
        Assert.Equal(count, body.Length)
        Assert.True(body |> Seq.indexed |> Seq.forall (fun (i, b) -> b = byte (i % 251)))
    }

    [<Fact>]
    let ``a client that leaves ends its download`` () = task {
        use! backend = SampleBackend.start settings

        use client = newClient backend

        let! answer =
            client.GetAsync("/bytes?n=1099511627776", HttpCompletionOption.ResponseHeadersRead)

        Assert.Equal(1, backend.InFlight)
        answer.Dispose()
        do! until "the download ends" (fun () -> backend.InFlight = 0)
    }

    [<Fact>]
    let ``events are counted`` () = task {
        use! backend = SampleBackend.start settings
        use client = newClient backend
        use! answer = client.GetAsync "/sse?count=3&ms=1"
        let! text = answer.Content.ReadAsStringAsync()
        Assert.Equal("text/event-stream", string answer.Content.Headers.ContentType)
        Assert.Equal("id: 1\ndata: 1 b1\n\nid: 2\ndata: 2 b1\n\nid: 3\ndata: 3 b1\n\n", text)
    }

    [<Fact>]
    let ``an event is on its way before the next one is due, and stopping ends the stream`` () = task {
        let! backend = SampleBackend.start settings
        use client = newClient backend

        use! answer =
            client.GetAsync("/sse?ms=3600000", HttpCompletionOption.ResponseHeadersRead)

        use! stream = answer.Content.ReadAsStreamAsync()
        use reader = new StreamReader(stream)
        let! line = reader.ReadLineAsync().WaitAsync patience
        Assert.Equal("id: 1", line)
        do! within ((backend :> IAsyncDisposable).DisposeAsync().AsTask())
        let! rest = reader.ReadToEndAsync().WaitAsync patience
        Assert.Equal("data: 1 b1\n\n", rest)
    }

    let private connect (backend: RunningBackend) = task {
        let socket = new ClientWebSocket()
        do! within (socket.ConnectAsync(Uri $"ws://127.0.0.1:{backend.Port}/ws", CancellationToken.None))
        return socket
    }

    let private say (socket: ClientWebSocket) (kind: WebSocketMessageType) (last: bool) (data: byte[]) =
        socket.SendAsync(ReadOnlyMemory data, kind, last, CancellationToken.None).AsTask()
        |> within

    /// Reads one message, however many pieces it comes in.
    let private hear (socket: ClientWebSocket) = task {
        let whole = new MemoryStream()
        let buffer = Array.zeroCreate<byte> 4096
        let mutable result = Unchecked.defaultof<ValueWebSocketReceiveResult>
        let mutable reading = true

        while reading do
            let! piece =
                socket.ReceiveAsync(Memory buffer, CancellationToken.None).AsTask().WaitAsync patience

            whole.Write(buffer, 0, piece.Count)
            result <- piece
            reading <- not piece.EndOfMessage

        return result.MessageType, whole.ToArray()
    }

    [<Fact>]
    let ``a WebSocket echoes text, binary and fragments`` () = task {
        use! backend = SampleBackend.start settings
        use! socket = connect backend
        do! say socket WebSocketMessageType.Text true (Encoding.UTF8.GetBytes "héllo")
        let! kind, text = hear socket
        Assert.Equal(WebSocketMessageType.Text, kind)
        Assert.Equal("héllo", Encoding.UTF8.GetString text)

        let large = Array.init 100_000 byte
        do! say socket WebSocketMessageType.Binary true large
        let! kind, data = hear socket
        Assert.Equal(WebSocketMessageType.Binary, kind)
        Assert.Equal<byte>(large, data)

        do! say socket WebSocketMessageType.Text false "one "B
        do! say socket WebSocketMessageType.Text true "two"B
        let! _, joined = hear socket
        Assert.Equal<byte>("one two"B, joined)
    }

    [<Theory>]
    [<InlineData(1000, "bye")>]
    [<InlineData(4321, "")>]
    let ``a WebSocket echoes the close`` (code: int, reason: string) = task {
        use! backend = SampleBackend.start settings
        use! socket = connect backend
        let status = enum<WebSocketCloseStatus> code
        do! within (socket.CloseAsync(status, reason, CancellationToken.None))
        Assert.Equal(WebSocketState.Closed, socket.State)
        Assert.Equal(Nullable status, socket.CloseStatus)
        Assert.Equal(reason, socket.CloseStatusDescription)
        do! until "the WebSocket is over" (fun () -> backend.InFlight = 0)
    }

    [<Fact>]
    let ``a close without a code is answered with 1000`` () = task {
        use! backend = SampleBackend.start settings

        let! answer =
            raw
                backend
                ("GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                 + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
                 // The frame: final, close; masked, empty; the mask.
                 + "\u0088\u0080\u0000\u0000\u0000\u0000")

        Assert.StartsWith("HTTP/1.1 101 ", answer)
        Assert.Equal("\u0088\u0002\u0003\u00e8", bodyOf answer)
    }

    [<Fact>]
    let ``a peer that vanishes ends its WebSocket, and stopping ends the others`` () = task {
        let! backend = SampleBackend.start settings
        let! lost = connect backend
        use! kept = connect backend
        do! until "both are open" (fun () -> backend.InFlight = 2)
        lost.Abort()
        do! until "one is over" (fun () -> backend.InFlight = 1)
        Assert.Equal(WebSocketState.Open, kept.State)
        do! within ((backend :> IAsyncDisposable).DisposeAsync().AsTask())
        Assert.Equal(0, backend.InFlight)
    }

    [<Fact>]
    let ``the WebSocket path asks others to upgrade`` () = task {
        use! backend = SampleBackend.start settings
        use client = newClient backend
        let! status, _ = get client "/ws"
        Assert.Equal(426, status)
    }
