module Conduit.Server.Tests.ErrorTests

open System
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

let private get = "GET / HTTP/1.1\r\nHost: conduit.test\r\n\r\n"

let private responseTimeout (time: float) =
    Balancers.withTimeouts (fun timeouts -> {
        timeouts with
            Response = TimeSpan.FromMilliseconds time
    })

/// An answer of Conduit's own: text, and an id that is in the header, in the text and in the log.
let private isOwn status (text: string) (running: Running) (response: Message) =
    Assert.Equal(status, Message.status response)
    Assert.Equal(Some "text/plain; charset=utf-8", Message.value "Content-Type" response)
    let id = Message.value "X-Request-Id" response |> Option.get
    Assert.Equal($"{text}\nrequest id: {id}\n", Message.text response)

    let told =
        running.Log.Warnings
        |> List.filter (fun line -> line.Contains id && line.Contains(string status))

    Assert.True(told.Length = 1, $"one line with {id} and {status} in the log: %A{running.Log.Warnings}")

[<Fact>]
let ``With no backend available the answer is 503 with Retry-After`` () = task {
    use refusing = new RefusingPort()

    do!
        Balancers.runWith (Balancers.settings [ refusing.Url ]) (fun running -> task {
            do!
                Eventually.holds "the backend is down" (fun () ->
                    not (Backend.isAvailable running.Backends[0]))

            let! response = running.Get "/"
            isOwn 503 "Service not available" running response
            // The next check may bring it back.
            Assert.Equal(Some "3600", Message.value "Retry-After" response)
        })
}

[<Fact>]
let ``An answer of Conduit's own leaves the connection open`` () =
    Balancers.withOne
        (Script.inTurn [ Script.closing "garbage\r\n\r\n"; Script.always (Script.ok "fine") ])
        (fun _ running -> task {
            use! client = running.Connect()
            let! first = client.Ask get
            isOwn 502 "Bad gateway" running first
            let! second = client.Ask get
            Assert.Equal("fine", Message.text second)
        })

[<Fact>]
let ``An answer to HEAD has no body`` () =
    Balancers.withOne (Script.closing "garbage") (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send "HEAD / HTTP/1.1\r\nHost: conduit.test\r\nConnection: close\r\n\r\n"
        let! response = client.ReadResponseToHead()
        Assert.Equal(502, Message.status response)
        let! rest, ending = client.Wire.ReadToEnd()
        Assert.Empty rest
        Assert.Equal(Finished, ending)
    })

[<Theory>]
[<InlineData 500>]
[<InlineData 502>]
[<InlineData 503>]
[<InlineData 504>]
let ``A backend's own error passes untouched`` (status: int) =
    Balancers.withOne
        (Script.always $"HTTP/1.1 {status} Mine\r\nX-Mine: 1\r\nContent-Length: 5\r\n\r\nmine!")
        (fun backend running -> task {
            let! response = running.Get "/"
            Assert.Equal($"HTTP/1.1 {status} Mine", response.Start)
            Assert.Equal("mine!", Message.text response)
            Assert.Equal(Some "1", Message.value "X-Mine" response)
            Assert.False(Message.has "X-Request-Id" response)
            Assert.False(Message.has "Retry-After" response)
            Assert.Single backend.Requests |> ignore
            Assert.Equal<int64[]>([| 0L |], running.Failures)
        })

[<Fact>]
let ``A backend that does not answer in time is a 504`` () =
    Balancers.withOneAnd (responseTimeout 200.0) Script.silent (fun backend running -> task {
        let! response = running.Get "/"
        isOwn 504 "Gateway timeout" running response
        do! Eventually.holds "its request is cancelled" (fun () -> backend.Open = 0)
        Assert.Equal<int64[]>([| 1L |], running.Failures)
    })

[<Fact>]
let ``A head that drips does not stretch the response timeout`` () =
    let script =
        Script.once (fun connection _ -> task {
            do! connection.Send "HTTP/1.1 200 OK\r\n"

            while true do
                do! Task.Delay 50
                do! connection.Send "X-Drip: 1\r\n"
        })

    Balancers.withOneAnd (responseTimeout 400.0) script (fun _ running -> task {
        let! response = running.Get "/"
        isOwn 504 "Gateway timeout" running response
    })

[<Fact>]
let ``A backend that takes the connection and no more is a 504 too`` () = task {
    // Nobody accepts: the kernel answers the handshake, and nothing else ever comes.
    use mute = new RefusingPort()
    mute.Listen()

    do!
        Balancers.run (responseTimeout 200.0) [ mute.Url ] (fun running -> task {
            let! response = running.Get "/"
            isOwn 504 "Gateway timeout" running response
        })
}

[<Theory>]
[<InlineData "garbage\r\n\r\n">]
[<InlineData "\u0000\u0001\u0002\u0003">]
[<InlineData "SSH-2.0-OpenSSH_9.2\r\n">]
[<InlineData "HTTP/1.1\r\n\r\n">]
[<InlineData "HTTP/1.1 abc OK\r\n\r\n">]
[<InlineData "HTTP/1.1 20 OK\r\n\r\n">]
[<InlineData "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n">]
[<InlineData "HTTP/1.1 000 Zero\r\nContent-Length: 0\r\n\r\n">]
[<InlineData "HTTP/1.1 200 OK\r\nno colon\r\n\r\n">]
[<InlineData "HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 0\r\n\r\n">]
[<InlineData "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello">]
[<InlineData "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello">]
[<InlineData "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello">]
[<InlineData "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello">]
let ``What is no HTTP response is a 502, and counts against the backend`` (bytes: string) =
    Balancers.withOne (Script.closing bytes) (fun _ running -> task {
        let! response = running.Get "/"
        isOwn 502 "Bad gateway" running response
        // What ends before it is a line may be a connection that was lost, and is tried again.
        Assert.InRange(running.Failures[0], 1L, 4L)
        Assert.False(Message.has "Bad Name" response)
    })

[<Fact>]
let ``A head without end is a 502`` () =
    let script =
        Script.once (fun connection _ -> task {
            do! connection.Send "HTTP/1.1 200 OK\r\n"

            while true do
                do! connection.Send("X-Long: " + String('x', 8000) + "\r\n")
        })

    Balancers.withOne script (fun _ running -> task {
        let! response = running.Get "/"
        isOwn 502 "Bad gateway" running response
    })

[<Fact>]
let ``Bytes after a response are never taken for the next one`` () =
    let extra =
        Script.always (Script.ok "first" + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

    Balancers.withOne (Script.inTurn [ extra; Script.always (Script.ok "second") ]) (fun _ running -> task {
        use! client = running.Connect()
        let! first = client.Ask get
        Assert.Equal("first", Message.text first)
        let! second = client.Ask get
        Assert.NotEqual<string>("evil", Message.text second)
    })

/// How the client sees a response end that the backend goes on with like this, once the client has the
/// first part.
let private cut (first: string) (rest: BackendConnection -> Task) (request: string) : Task<string * Ending> =
    task {
        let arrived =
            TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)

        use backend =
            ScriptedBackend.Start(
                Script.once (fun connection _ -> task {
                    do! connection.Send first
                    do! arrived.Task
                    do! rest connection
                })
            )

        use log = new CapturedLog()
        use! running = Balancers.start log (Balancers.settings [ backend.Url ])
        use! client = running.Connect()
        do! client.Send request
        let! _ = client.ReadHead()
        let! begun = client.Wire.ReadExactly 5
        arrived.SetResult()
        let! more, ending = client.Wire.ReadToEnd()
        do! Eventually.holds "no request is in flight any more" (fun () -> running.InFlight = 0)
        Assert.Equal<int64[]>([| 1L |], running.Failures)
        Assert.Contains(log.Warnings, fun line -> line.Contains "cut off")
        return Text.Encoding.Latin1.GetString(Array.append begun more), ending
    }

let private resets (connection: BackendConnection) : Task =
    connection.Reset()
    Task.CompletedTask

let private closes (_: BackendConnection) : Task = Task.CompletedTask

let private sized = "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\nhello"

[<Fact>]
let ``A sized body that ends early never looks whole`` () = task {
    for ends in [ closes; resets ] do
        let! seen, _ = cut sized ends get
        Assert.Equal("hello", seen)
}

[<Theory>]
[<InlineData "">]
[<InlineData "9\r\nhalf">]
[<InlineData "zz\r\n">]
[<InlineData "5\r\nhello!!\r\n0\r\n\r\n">]
let ``A chunked body that breaks off never looks whole`` (more: string) = task {
    for ends in [ closes; resets ] do
        let goOn (connection: BackendConnection) : Task = task {
            do! connection.Send more
            do! ends connection
        }

        let! seen, _ =
            cut "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" goOn get

        Assert.StartsWith("5\r\nhello\r\n", seen)
        Assert.DoesNotContain("\r\n0\r\n", seen)
}

[<Fact>]
let ``A body without a length that is reset never looks whole, not even to HTTP 1.0`` () = task {
    let! _, ending = cut "HTTP/1.0 200 OK\r\n\r\nhello" resets "GET / HTTP/1.0\r\n\r\n"
    Assert.Equal(Broken, ending)
}
