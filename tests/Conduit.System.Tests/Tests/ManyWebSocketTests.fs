namespace Conduit.SystemTests

open System
open System.IO
open System.Net
open System.Net.Http
open System.Net.Sockets
open System.Net.WebSockets
open System.Text
open System.Threading
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions

/// What open WebSockets cost.
[<Collection(SystemCollection.name)>]
type ManyWebSocketTests(output: ITestOutputHelper) =

    /// Half of them over HTTP/1.1 and half as streams of HTTP/2, so that the descriptors suffice where a process
    /// may have 20,000 of them: each of HTTP/1.1 takes two.
    let each = 5_000

    /// What one may take of the program's resident memory, in bytes.
    let mostBytes = 60_000L
    let atOnce = 50

    /// Runs all, so many at a time.
    let inTurns (work: (unit -> Task<'a>) list) : Task<'a list> = task {
        let results = ResizeArray<'a>()

        for batch in List.chunkBySize atOnce work do
            let! some = batch |> List.map (fun start -> start ()) |> Task.WhenAll
            results.AddRange some

        return List.ofSeq results
    }

    let openOne (port: int) (version: Version) (invoker: HttpMessageInvoker) () : Task<ClientWebSocket> = task {
        let socket = new ClientWebSocket()
        socket.Options.HttpVersion <- version
        socket.Options.HttpVersionPolicy <- HttpVersionPolicy.RequestVersionExact
        socket.Options.KeepAliveInterval <- Timeout.InfiniteTimeSpan
        use limit = new CancellationTokenSource(TimeSpan.FromSeconds 30.0)
        do! socket.ConnectAsync(Uri $"ws://127.0.0.1:{port}/ws", invoker, limit.Token)
        return socket
    }

    let echo (number: int) (socket: ClientWebSocket) () : Task<unit> = task {
        use limit = new CancellationTokenSource(TimeSpan.FromSeconds 30.0)
        let sent = Encoding.UTF8.GetBytes $"message {number}"
        do! socket.SendAsync(ArraySegment sent, WebSocketMessageType.Text, true, limit.Token)
        let buffer = Array.zeroCreate<byte> 64
        let! received = socket.ReceiveAsync(ArraySegment buffer, limit.Token)
        Assert.Equal($"message {number}", Encoding.UTF8.GetString(buffer, 0, received.Count))
    }

    [<Fact>]
    member _.``10,000 open WebSockets echo, within a bounded memory``() : Task = task {
        use! backend = SampleBackend.Start "a"

        use conduit =
            new ConfiguredConduit(output, [ $"backends: [\"{backend.Url}\"]"; "timeouts: { idle: 10m }" ])

        do! conduit.Ready()

        use invoker =
            new HttpMessageInvoker(
                new SocketsHttpHandler(EnableMultipleHttp2Connections = true, UseProxy = false)
            )

        let start version = openOne conduit.Port version invoker
        // What the program needs once, whoever comes.
        let! first = inTurns [ start HttpVersion.Version11; start HttpVersion.Version20 ]
        let before = Memory.resident conduit.Id
        let! old = inTurns (List.replicate (each - 1) (start HttpVersion.Version11))
        let between = Memory.resident conduit.Id
        let! streams = inTurns (List.replicate (each - 1) (start HttpVersion.Version20))
        let sockets = first @ old @ streams
        let opened = Memory.resident conduit.Id
        let! _ = inTurns (sockets |> List.mapi echo)
        let used = Memory.resident conduit.Id
        let kilobytes (bytes: int64) = $"{bytes / 1024L:N0} kB"

        output.WriteLine
            $"{sockets.Length} open: {kilobytes before} at first, {kilobytes between} with those of HTTP/1.1, {kilobytes opened} with all, {kilobytes used} after a message on each"

        output.WriteLine
            $"a WebSocket: {kilobytes ((between - before) / int64 each)} over HTTP/1.1, {kilobytes ((opened - between) / int64 each)} over HTTP/2"

        Assert.All(sockets, (fun socket -> Assert.Equal(WebSocketState.Open, socket.State)))
        let cost = (used - before) / int64 sockets.Length
        Assert.True(cost < mostBytes, $"a WebSocket takes {cost} bytes")

        for socket in sockets do
            socket.Dispose()
    }
