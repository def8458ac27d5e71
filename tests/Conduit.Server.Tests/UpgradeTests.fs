module Conduit.Server.Tests.UpgradeTests

open System
open System.Net.WebSockets
open System.Text
open System.Threading
open System.Threading.Tasks
open Xunit
open Conduit.Server

let private ask =
    "GET /ws HTTP/1.1\r\nHost: conduit.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: odd/1\r\nX-Key: k\r\n\r\n"

let private switch =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: odd/1\r\nX-Accept: a\r\n\r\n"

/// Switches, then goes on as `act` says.
let private switching (act: BackendConnection -> Task) : Script =
    Script.once (fun connection _ -> task {
        do! connection.Send switch
        do! act connection
    })

/// A client whose request has been answered 101.
let private switched (running: Running) : Task<RawClient> = task {
    let! client = running.Connect()
    do! client.Send ask
    let! head = client.ReadHead()
    Assert.Equal(101, Message.status head)
    Assert.Equal(Some "Upgrade", Message.value "Connection" head)
    Assert.Equal(Some "odd/1", Message.value "Upgrade" head)
    Assert.Equal(Some "a", Message.value "X-Accept" head)
    return client
}

[<Fact>]
let ``After a 101, any bytes pass both ways`` () =
    let bytes = Array.init 200_000 (fun i -> byte (i * 13 + i / 256))

    let echo =
        switching (fun connection -> task {
            let! received = connection.Wire.ReadExactly bytes.Length
            do! connection.Send received
            do! connection.Left()
        })

    Balancers.withOne echo (fun backend running -> task {
        use! client = switched running
        let sending = client.Send bytes
        let! back = client.Wire.ReadExactly bytes.Length
        do! sending
        Assert.Equal<byte[]>(bytes, back)
        Assert.Equal(Some "Upgrade", Message.value "Connection" backend.Request)
        Assert.Equal(Some "odd/1", Message.value "Upgrade" backend.Request)
        Assert.Equal(Some "k", Message.value "X-Key" backend.Request)
        Assert.Equal(1, running.InFlight)
    })

[<Fact>]
let ``What the backend sends along with its 101 is not lost`` () =
    let script =
        Script.once (fun connection _ -> task {
            do! connection.Send(switch + "early")
            do! connection.Left()
        })

    Balancers.withOne script (fun _ running -> task {
        use! client = switched running
        let! early = client.Wire.ReadExactly 5
        Assert.Equal("early", Encoding.Latin1.GetString early)
    })

[<Fact>]
let ``When the backend closes, the client gets the last bytes and the end`` () =
    Balancers.withOne (switching (fun connection -> connection.Send "bye")) (fun _ running -> task {
        use! client = switched running
        let! rest, _ = client.Wire.ReadToEnd()
        Assert.Equal("bye", Encoding.Latin1.GetString rest)
    })

[<Fact>]
let ``When the client leaves, the backend is told`` () =
    Balancers.withOne (switching _.Left()) (fun backend running -> task {
        let! client = switched running
        (client :> IDisposable).Dispose()
        do! Eventually.holds "the backend's connection is closed" (fun () -> backend.Open = 0)
        Assert.Equal<int64[]>([| 0L |], running.Failures)
    })

[<Fact>]
let ``A tunnel in which nothing moves ends after the idle timeout`` () =
    let change =
        Balancers.withTimeouts (fun timeouts -> {
            timeouts with
                Idle = TimeSpan.FromMilliseconds 300.0
        })

    Balancers.withOneAnd change (switching _.Left()) (fun backend running -> task {
        use! client = switched running
        let! rest, _ = client.Wire.ReadToEnd()
        Assert.Empty rest
        do! Eventually.holds "the backend's connection is closed" (fun () -> backend.Open = 0)
        Assert.Equal<int64[]>([| 0L |], running.Failures)
    })

[<Fact>]
let ``A tunnel outlives the response timeout, and bytes one way keep it open`` () =
    let change =
        Balancers.withTimeouts (fun timeouts -> {
            timeouts with
                Response = TimeSpan.FromMilliseconds 2000.0
                Idle = TimeSpan.FromMilliseconds 2500.0
        })

    let script =
        switching (fun connection -> task {
            for _ in 1..6 do
                do! Task.Delay 500
                do! connection.Send "x"
        })

    Balancers.withOneAnd change script (fun _ running -> task {
        use! client = switched running
        let! rest, _ = client.Wire.ReadToEnd()
        Assert.Equal("xxxxxx", Encoding.Latin1.GetString rest)
    })

[<Fact>]
let ``A backend may refuse to switch, and the connection goes on`` () =
    let script =
        Script.answering (fun request ->
            if Message.has "Upgrade" request then
                "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
            else
                Script.ok "after")

    Balancers.withOne script (fun _ running -> task {
        use! client = running.Connect()
        let! refused = client.Ask ask
        Assert.Equal(403, Message.status refused)
        Assert.Equal("no", Message.text refused)
        let! after = client.Ask "GET / HTTP/1.1\r\nHost: conduit.test\r\n\r\n"
        Assert.Equal("after", Message.text after)
    })

[<Fact>]
let ``A 101 that nobody asked for is a bad gateway`` () =
    Balancers.withOne (switching _.Left()) (fun _ running -> task {
        let! response = running.Get "/"
        Assert.Equal(502, Message.status response)
        Assert.False(Message.has "X-Accept" response)
    })

/// A WebSocket handshake, then an echo of each message.
let private webSocketEcho: Script =
    Script.once (fun connection request -> task {
        let key = Message.value "Sec-WebSocket-Key" request |> Option.get

        let accept =
            key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            |> Encoding.ASCII.GetBytes
            |> Security.Cryptography.SHA1.HashData
            |> Convert.ToBase64String

        do!
            connection.Send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                + $"Sec-WebSocket-Accept: {accept}\r\n\r\n"
            )

        use stream = new Net.Sockets.NetworkStream(connection.Wire.Socket)

        use socket =
            WebSocket.CreateFromStream(stream, WebSocketCreationOptions(IsServer = true))

        let buffer = Array.zeroCreate<byte> 4096

        while socket.State = WebSocketState.Open do
            let! received = socket.ReceiveAsync(ArraySegment buffer, CancellationToken.None)

            if received.MessageType = WebSocketMessageType.Close then
                do! socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "bye", CancellationToken.None)
            else
                do!
                    socket.SendAsync(
                        ArraySegment(buffer, 0, received.Count),
                        received.MessageType,
                        received.EndOfMessage,
                        CancellationToken.None
                    )
    })

[<Fact>]
let ``A WebSocket works through the balancer, with its goodbye`` () =
    Balancers.withOne webSocketEcho (fun _ running -> task {
        use socket = new ClientWebSocket()
        do! socket.ConnectAsync(Uri $"ws://127.0.0.1:{running.Port}/ws", CancellationToken.None)
        let buffer = Array.zeroCreate<byte> 4096

        let messages = [
            WebSocketMessageType.Text, Encoding.UTF8.GetBytes "hello \u00fc"
            WebSocketMessageType.Binary, Array.init 256 byte
            WebSocketMessageType.Binary, [||]
        ]

        for kind, message in messages do
            do! socket.SendAsync(ArraySegment message, kind, true, CancellationToken.None)
            let! received = socket.ReceiveAsync(ArraySegment buffer, CancellationToken.None)
            Assert.Equal(kind, received.MessageType)
            Assert.Equal<byte[]>(message, buffer[.. received.Count - 1])

        do! socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "done", CancellationToken.None)
        Assert.Equal(WebSocketState.Closed, socket.State)
        Assert.Equal("bye", socket.CloseStatusDescription)
    })

[<Fact>]
let ``A WebSocket on a stream of HTTP/2 works through the balancer, with a backend of HTTP/1.1`` () =
    Balancers.withOne webSocketEcho (fun backend running -> task {
        use socket = new ClientWebSocket()
        socket.Options.HttpVersion <- System.Net.HttpVersion.Version20
        socket.Options.HttpVersionPolicy <- System.Net.Http.HttpVersionPolicy.RequestVersionExact

        use http =
            new System.Net.Http.HttpMessageInvoker(new System.Net.Http.SocketsHttpHandler(UseProxy = false))

        do! socket.ConnectAsync(Uri $"ws://127.0.0.1:{running.Port}/ws", http, CancellationToken.None)
        Assert.Equal("GET", Message.method backend.Request)
        do! socket.SendAsync(ArraySegment "hello"B, WebSocketMessageType.Text, true, CancellationToken.None)
        let buffer = Array.zeroCreate<byte> 100
        let! received = socket.ReceiveAsync(ArraySegment buffer, CancellationToken.None)
        Assert.Equal("hello", Encoding.ASCII.GetString(buffer, 0, received.Count))
        do! socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "done", CancellationToken.None)
        Assert.Equal(WebSocketState.Closed, socket.State)
    })
