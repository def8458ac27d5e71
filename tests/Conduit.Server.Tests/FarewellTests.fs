module Conduit.Server.Tests.FarewellTests

open System
open System.IO
open System.Threading.Tasks
open FsCheck.FSharp
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Xunit
open Conduit
open Conduit.Server

/// WebSockets get a close frame near the end of a drain, and never in the middle of another frame.

let private goingAway = [| 0x88uy; 0x02uy; 0x03uy; 0xE9uy |]

/// A frame of zeros.
let private frame (opcode: int) masked (length: int) : byte[] =
    let mask = if masked then 0x80uy else 0uy

    let size =
        if length < 126 then
            [| byte length ||| mask |]
        elif length < 65536 then
            [| 126uy ||| mask; byte (length >>> 8); byte length |]
        else
            Array.append [| 127uy ||| mask |] (Array.rev (BitConverter.GetBytes(uint64 length)))

    Array.concat [
        [| byte (0x80 ||| opcode) |]
        size
        (if masked then Array.zeroCreate 4 else [||])
        Array.zeroCreate length
    ]

let private lengths = [| 0; 1; 125; 126; 127; 65535; 65536; 70000 |]

let private frameOf (kind, masked) = frame 2 masked lengths[kind]

[<Fact>]
let ``However the bytes are cut, the ends of frames are found, and nothing else`` () =
    let kind =
        Gen.zip (Gen.choose (0, lengths.Length - 1)) (Gen.elements [ true; false ])

    Seeded.forAll (Gen.zip (Gen.listOf kind) (Gen.choose (0, 1_000_000))) (fun (kinds, seed) ->
        let whole = List.map frameOf kinds
        let bytes = Array.concat whole
        let ends = whole |> List.scan (fun at one -> at + one.Length) 0 |> Set.ofList
        let random = Random seed
        let frames = WebSocketFrames()
        let mutable at = 0
        let mutable holds = true

        while at < bytes.Length do
            let piece = min (1 + random.Next 5000) (bytes.Length - at)
            let stops = random.Next 2 = 0 && not frames.IsBetween
            let taken = frames.Take(ReadOnlySpan(bytes, at, piece), stops)
            let next = ends |> Seq.filter (fun each -> each > at) |> Seq.head
            holds <- holds && taken = (if stops then min piece (next - at) else piece)
            at <- at + taken
            holds <- holds && frames.IsBetween = ends.Contains at

        holds)

let private exchange () =
    let exchange =
        Exchange(
            Lifetime(),
            Deadlines.Shared,
            fun () -> {
                Conduit.Server.Entry.plain with
                    Clients = ClientLimits.any
            }
        )

    let features = FeatureCollection()
    features.Set<IHttpRequestFeature>(HttpRequestFeature())
    features.Set<IHttpResponseFeature>(HttpResponseFeature())
    features.Set<IHttpResponseBodyFeature>(StreamResponseBodyFeature Stream.Null)
    exchange.Begin features
    exchange

/// What the client gets when a conversation goes like this.
let private heard (talk: Farewell -> Task) : Task<byte[]> = task {
    use client = new MemoryStream()
    let farewell = Farewell(exchange (), client)
    do! talk farewell
    do! farewell.Ended()
    return client.ToArray()
}

let private part (bytes: byte[]) first last = ReadOnlyMemory(bytes[first..last])

[<Fact>]
let ``Between two frames the farewell is said at once, and nothing comes after it`` () = task {
    let one = frame 1 false 5

    let! bytes =
        heard (fun farewell -> task {
            do! farewell.Write(ReadOnlyMemory one)
            farewell.Say()
            do! farewell.Write(ReadOnlyMemory one)
        })

    Assert.Equal<byte[]>(Array.append one goingAway, bytes)
}

[<Fact>]
let ``In the middle of a frame the farewell waits for its end`` () = task {
    let one, other = frame 2 false 300, frame 2 false 10

    let! bytes =
        heard (fun farewell -> task {
            do! farewell.Write(part one 0 1)
            farewell.Say()
            do! farewell.Write(part one 2 200)
            do! farewell.Write(ReadOnlyMemory(Array.append one[201..] other))
            do! farewell.Write(ReadOnlyMemory other)
        })

    Assert.Equal<byte[]>(Array.append one goingAway, bytes)
}

[<Fact>]
let ``Where the backend has closed, there is no second close frame`` () = task {
    let! bytes =
        heard (fun farewell -> task {
            do! farewell.Write(ReadOnlyMemory(frame 8 false 2))
            farewell.Say()
        })

    Assert.Equal<byte[]>(frame 8 false 2, bytes)
}

let private ask =
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

let private switch =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

[<Fact>]
let ``Near the end of the drain a WebSocket gets a close frame, whose echo ends it in order`` () = task {
    let echo = [| 0x88uy; 0x82uy; 1uy; 2uy; 3uy; 4uy; 0x02uy; 0xEBuy |]
    let heardByBackend = TaskCompletionSource<byte[]>()

    let script =
        Script.once (fun connection _ -> task {
            do! connection.Send switch
            do! connection.Send(frame 1 false 3)
            let! bytes = connection.Wire.ReadExactly echo.Length
            heardByBackend.SetResult bytes
        })

    let settings (settings: Settings) = {
        settings with
            DrainTimeout = TimeSpan.FromSeconds 4.0
    }

    do!
        Balancers.withOneAnd settings script (fun _ running -> task {
            use! client = running.Connect()
            do! client.Send ask
            let! head = client.ReadHead()
            Assert.Equal(101, Message.status head)
            let! first = client.Wire.ReadExactly 5
            Assert.Equal<byte[]>(frame 1 false 3, first)
            let stopping = running.Stop()
            let! farewell = client.Wire.ReadExactly goingAway.Length
            Assert.Equal<byte[]>(goingAway, farewell)
            do! client.Send echo
            let! bytes = heardByBackend.Task
            Assert.Equal<byte[]>(echo, bytes)
            let! cut = stopping
            Assert.Equal(0, cut)
        })
}

[<Fact>]
let ``What is no WebSocket gets no close frame`` () =
    let script: Script =
        Script.once (fun connection _ -> task {
            do! connection.Send(switch.Replace("websocket", "odd/1"))
            do! connection.Left()
        })

    let settings (settings: Settings) = {
        settings with
            DrainTimeout = TimeSpan.FromSeconds 1.0
    }

    Balancers.withOneAnd settings script (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send(ask.Replace("websocket", "odd/1"))
        let! head = client.ReadHead()
        Assert.Equal(101, Message.status head)
        let! cut = running.Stop()
        let! rest, _ = client.Wire.ReadToEnd()
        Assert.Empty rest
        Assert.Equal(1, cut)
    })
