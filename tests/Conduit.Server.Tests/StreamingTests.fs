module Conduit.Server.Tests.StreamingTests

open System
open System.Text
open System.Threading
open System.Threading.Tasks
open Xunit
open Conduit.Server

/// A signal from the test to a script.
let private signal () =
    TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)

let private milliseconds (count: float) = TimeSpan.FromMilliseconds count

let private idle time =
    Balancers.withTimeouts (fun timeouts -> {
        timeouts with
            Idle = milliseconds time
    })

let private text (bytes: byte[]) = Encoding.Latin1.GetString bytes

[<Theory>]
[<InlineData "Transfer-Encoding: chunked\r\n">]
[<InlineData "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n">]
let ``Events arrive one by one, the head before the first`` (headers: string) =
    let steps = List.init 4 (fun _ -> signal ())

    let script: Script =
        Script.once (fun connection _ -> task {
            do! connection.Send $"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{headers}\r\n"

            for step in steps do
                do! step.Task
                do! connection.Send "9\r\ndata: x\n\n\r\n"

            do! connection.Send "0\r\n\r\n"
        })

    Balancers.withOne script (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send "GET / HTTP/1.1\r\nHost: conduit.test\r\n\r\n"
        let! head = client.ReadHead()
        Assert.Equal(Some "text/event-stream", Message.value "Content-Type" head)

        // Each event is read before the next one is let go.
        for step in steps do
            step.SetResult()
            let! chunk = Framing.readChunk client.Wire
            Assert.Equal("data: x\n\n", text chunk)

        let! last = Framing.readChunk client.Wire
        Assert.Empty last
    })

[<Fact>]
let ``A sized body arrives piece by piece`` () =
    let steps = List.init 3 (fun _ -> signal ())

    let script: Script =
        Script.once (fun connection _ -> task {
            do! connection.Send "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"

            for step in steps do
                do! step.Task
                do! connection.Send "ab"
        })

    Balancers.withOne script (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send "GET / HTTP/1.1\r\nHost: conduit.test\r\n\r\n"
        steps[0].SetResult()
        let! _ = client.ReadHead()
        let! piece = client.Wire.ReadExactly 2
        Assert.Equal("ab", text piece)

        for step in List.tail steps do
            step.SetResult()
            let! piece = client.Wire.ReadExactly 2
            Assert.Equal("ab", text piece)
    })

[<Fact>]
let ``An upload reaches the backend while it is going on`` () =
    let pieces = new SemaphoreSlim(0)

    let script: Script =
        fun connection -> task {
            let! _ = connection.ReadHead()

            for _ in 1..3 do
                let! piece = connection.Wire.ReadExactly 3
                Assert.Equal("abc", text piece)
                pieces.Release() |> ignore

            do! connection.Send(Script.ok "all")
        }

    Balancers.withOne script (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send "POST / HTTP/1.1\r\nHost: conduit.test\r\nContent-Length: 9\r\n\r\n"

        for _ in 1..3 do
            do! client.Send "abc"
            let! arrived = pieces.WaitAsync Eventually.patience
            Assert.True arrived

        let! response = client.ReadResponse()
        Assert.Equal("all", Message.text response)
    })

/// The time between two bytes, and what the timeouts allow: 16 pauses are longer than that, while a
/// machine that stands still for a second or two is not.
let private pause = milliseconds 200.0

let private pauseTolerated = milliseconds 2500.0

[<Fact>]
let ``An upload that moves may take longer than any timeout`` () =
    let change =
        Balancers.withTimeouts (fun timeouts -> {
            timeouts with
                Response = pauseTolerated
                Idle = pauseTolerated
        })

    Balancers.withOneAnd change (Script.answering (Message.text >> Script.ok)) (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send "POST / HTTP/1.1\r\nHost: conduit.test\r\nContent-Length: 16\r\n\r\n"

        for _ in 1..16 do
            do! Task.Delay pause
            do! client.Send "x"

        let! response = client.ReadResponse()
        Assert.Equal(String('x', 16), Message.text response)
    })

[<Theory>]
[<InlineData "Content-Length: 16\r\n\r\n">]
[<InlineData "Content-Length: 5016\r\n\r\n">]
let ``A download that moves may take longer than the idle timeout`` (headers: string) =
    let script: Script =
        Script.once (fun connection _ -> task {
            do! connection.Send $"HTTP/1.1 200 OK\r\n{headers}"

            if headers.Contains "5016" then
                do! connection.Send(String('y', 5000))

            for _ in 1..16 do
                do! Task.Delay pause
                do! connection.Send "x"
        })

    Balancers.withOneAnd (idle pauseTolerated.TotalMilliseconds) script (fun _ running -> task {
        let! response = running.Get "/"
        Assert.EndsWith(String('x', 16), Message.text response)
    })

[<Fact>]
let ``The response timeout ends with the response's head`` () =
    let change =
        Balancers.withTimeouts (fun timeouts -> {
            timeouts with
                Response = pauseTolerated
        })

    let script: Script =
        Script.once (fun connection _ -> task {
            do! connection.Send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
            do! Task.Delay(1.25 * pauseTolerated)
            do! connection.Send "1\r\nb\r\n0\r\n\r\n"
        })

    Balancers.withOneAnd change script (fun _ running -> task {
        let! response = running.Get "/"
        Assert.Equal("ab", Message.text response)
    })

[<Fact>]
let ``The response timeout begins when the upload ends`` () =
    let change =
        Balancers.withTimeouts (fun timeouts -> {
            timeouts with
                Response = pauseTolerated
        })

    Balancers.withOneAnd change (Script.answering (Message.text >> Script.ok)) (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send "POST / HTTP/1.1\r\nHost: conduit.test\r\nContent-Length: 2\r\n\r\na"
        do! Task.Delay(1.25 * pauseTolerated)
        let! response = client.Ask "b"
        Assert.Equal("ab", Message.text response)
    })

[<Fact>]
let ``A download that stalls is cut, and counts against nobody`` () =
    let script: Script =
        Script.once (fun connection _ -> task {
            do! connection.Send "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\nstart"
            do! connection.Left()
        })

    Balancers.withOneAnd (idle 300.0) script (fun backend running -> task {
        use! client = running.Connect()
        do! client.Send "GET / HTTP/1.1\r\nHost: conduit.test\r\n\r\n"
        let! _ = client.ReadHead()
        let! rest, _ = client.Wire.ReadToEnd()
        Assert.Equal("start", text rest)
        do! Eventually.holds "the backend's connection is closed" (fun () -> backend.Open = 0)
        Assert.Equal<int64[]>([| 0L |], running.Failures)
    })

[<Fact>]
let ``An upload that stalls is answered 408, and counts against nobody`` () =
    let script: Script =
        fun connection -> task {
            let! _ = connection.ReadHead()
            do! connection.Left()
        }

    Balancers.withOneAnd (idle 300.0) script (fun backend running -> task {
        use! client = running.Connect()
        do! client.Send "POST / HTTP/1.1\r\nHost: conduit.test\r\nContent-Length: 100\r\n\r\nstart"
        let! response = client.ReadResponse()
        Assert.Equal(408, Message.status response)
        let! _, _ = client.Wire.ReadToEnd()
        do! Eventually.holds "the backend's connection is closed" (fun () -> backend.Open = 0)
        Assert.Equal<int64[]>([| 0L |], running.Failures)
    })

[<Fact>]
let ``A client that stops reading is cut, and counts against nobody`` () =
    let block = Array.zeroCreate<byte> 65536

    let script: Script =
        Script.once (fun connection _ -> task {
            do! connection.Send "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"

            while true do
                do! connection.Send block
        })

    Balancers.withOneAnd (idle 400.0) script (fun backend running -> task {
        use! client = running.Connect()
        do! client.Send "GET / HTTP/1.1\r\nHost: conduit.test\r\n\r\n"
        do! Eventually.holds "the request is under way" (fun () -> backend.Connections = 1)
        do! Eventually.holds "the backend's connection is closed" (fun () -> backend.Open = 0)
        Assert.Equal<int64[]>([| 0L |], running.Failures)
    })
