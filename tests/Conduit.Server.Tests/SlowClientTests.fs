module Conduit.Server.Tests.SlowClientTests

open System
open System.Net.Sockets
open System.Threading.Tasks
open Xunit
open Conduit

/// Clients that hold on to what they have by hardly moving, and those that only look like it.
/// A client may be a second behind 5,000 bytes a second.
let private limited (settings: Settings) = {
    settings with
        Clients = {
            HeaderTimeout = TimeSpan.FromSeconds 1.0
            KeepAlive = TimeSpan.FromMinutes 1.0
            MinRate = 5_000L
            Grace = TimeSpan.FromSeconds 1.0
        }
}

let private isSettled (running: Running) : Task = task {
    do! Eventually.holds "the lease is given back" (fun () -> running.InFlight = 0)
    Assert.Equal<int64[]>([| 0L |], running.Failures)
}

/// Sends pieces until `until` has ended.
let private trickle (client: RawClient) (piece: byte[]) (until: Task) : Task = task {
    try
        while not until.IsCompleted do
            do! client.Send piece
            do! Task.Delay 50
    with
    | :? SocketException
    | :? ObjectDisposedException -> ()
}

[<Fact>]
let ``A body that trickles in is answered 408, and not held against the backend`` () =
    Balancers.withOneAnd limited (Script.always (Script.ok "whole")) (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
        let answer = client.ReadHead()
        let sending = trickle client (Array.zeroCreate 10) answer
        let! head = Eventually.finishes "an answer" answer
        do! sending
        Assert.Equal(408, Message.status head)
        Assert.Equal(Some "close", Message.value "Connection" head)
        do! isSettled running
    })

[<Fact>]
let ``A body that takes long and moves arrives whole`` () =
    Balancers.withOneAnd limited (Script.always (Script.ok "whole")) (fun backend running -> task {
        use! client = running.Connect()
        do! client.Send "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n"

        for _ in 1..80 do
            do! client.Send(Array.zeroCreate<byte> 5000)
            do! Task.Delay 40

        let! response = client.ReadResponse()
        Assert.Equal("whole", Message.text response)
        Assert.Equal(400_000, backend.Request.Body.Length)
    })

let private large = 50_000_000

/// Answers with more than all buffers on the way hold.
let private pouring: Script =
    Script.once (fun connection _ -> task {
        do! connection.Send $"HTTP/1.1 200 OK\r\nContent-Length: {large}\r\n\r\n"
        let block = Array.zeroCreate<byte> 50_000

        for _ in 1 .. large / block.Length do
            do! connection.Send block
    })

[<Fact>]
let ``A client that takes nothing of its response is cut off, and the backend is free again`` () =
    Balancers.withOneAnd limited pouring (fun backend running -> task {
        use! client = running.Connect()
        do! client.Send "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        let! _ = client.ReadHead()
        do! isSettled running
        do! Eventually.holds "the backend's connection is closed" (fun () -> backend.Open = 0)
    })

[<Fact>]
let ``A client that takes its response slowly gets all of it`` () =
    Balancers.withOneAnd limited pouring (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        let! _ = client.ReadHead()
        let mutable left = int64 large

        // Far slower than what makes room in the buffers on the way within the grace.
        for _ in 1..100 do
            do! client.Wire.Skip 4096L
            left <- left - 4096L
            do! Task.Delay 40

        do! client.Wire.Skip left
        do! isSettled running
    })

[<Fact>]
let ``A client that asks and asks and reads nothing is cut off`` () =
    let script = Script.always (Script.ok (String('x', 16_000)))

    Balancers.withOneAnd limited script (fun _ running -> task {
        use! client = running.Connect()
        let socket = client.Wire.Socket
        socket.ReceiveBufferSize <- 8192
        let requests = String.replicate 1000 "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        do! client.Send requests
        do! Eventually.holds "the connection is reset" (fun () -> socket.Poll(0, SelectMode.SelectError))
        do! isSettled running
    })

[<Fact>]
let ``Headers that do not end in time are answered 408`` () =
    Balancers.withOneAnd limited (Script.always (Script.ok "whole")) (fun backend running -> task {
        use! client = running.Connect()
        do! client.Send "GET / HTTP/1.1\r\nHost: a\r\nX-A:"
        let answer = client.ReadHead()
        let sending = trickle client "b"B answer
        let! head = Eventually.finishes "an answer" answer
        do! sending
        Assert.Equal(408, Message.status head)
        Assert.Empty backend.Requests
    })
