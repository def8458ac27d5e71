module Conduit.Server.Tests.DrainTests

open System
open System.Net.Http
open System.Net.Sockets
open System.Threading.Tasks
open Xunit
open Conduit.Server

let private get = "GET / HTTP/1.1\r\nHost: conduit.test\r\n\r\n"

let private draining (time: float) (settings: Settings) =
    Balancers.withAdmin {
        settings with
            DrainTimeout = TimeSpan.FromSeconds time
    }

/// Answers `/slow` when it is let go, anything else at once.
let private slow (go: Task) : Script =
    fun connection -> task {
        let mutable going = true

        while going do
            match! connection.ReadRequest() with
            | None -> going <- false
            | Some request ->
                if Message.target request = "/slow" then
                    do! go

                do! connection.Send(Script.ok "fine")
    }

let private status (url: string) : Task<int> = task {
    use client = new HttpClient()
    use! response = client.GetAsync url
    return int response.StatusCode
}

let private refused (running: Running) : Task<bool> = task {
    try
        use! _ = running.Connect()
        return false
    with :? SocketException ->
        return true
}

let private newSignal () =
    TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)

[<Fact>]
let ``While requests finish, nothing new is taken, and readyz says so`` () =
    let go = newSignal ()

    Balancers.withOneAnd (draining 20.0) (slow go.Task) (fun backend running -> task {
        let! before = status $"{running.AdminUrl}/readyz"
        Assert.Equal(200, before)

        use! inFlight = running.Connect()
        do! inFlight.Send "GET /slow HTTP/1.1\r\nHost: conduit.test\r\n\r\n"
        do! Eventually.holds "the request is in flight" (fun () -> backend.Requests.Length = 1)
        use! kept = running.Connect()
        let! first = kept.Ask get
        Assert.Empty(Message.values "Connection" first)

        let stopping = running.Stop()
        let! during = status $"{running.AdminUrl}/readyz"
        Assert.Equal(503, during)
        let! alive = status $"{running.AdminUrl}/livez"
        Assert.Equal(200, alive)

        // A client that was just about to use its connection is still answered, and told.
        let! last = kept.Ask get
        Assert.Equal("fine", Message.text last)
        Assert.Equal(Some "close", Message.value "Connection" last)
        let! _, ending = kept.Wire.ReadToEnd()
        Assert.Equal(Finished, ending)

        let! isRefused = refused running
        Assert.True isRefused
        Assert.False stopping.IsCompleted

        go.SetResult()
        let! response = inFlight.ReadResponse()
        Assert.Equal("fine", Message.text response)
        Assert.Equal(Some "close", Message.value "Connection" response)
        let! cut = stopping
        Assert.Equal(0, cut)
    })

[<Fact>]
let ``A response that has begun is finished`` () =
    let go = newSignal ()

    let script =
        Script.once (fun connection _ -> task {
            do! connection.Send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
            do! go.Task
            do! connection.Send "5\r\nworld\r\n0\r\n\r\n"
        })

    Balancers.withOneAnd (draining 20.0) script (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send get
        let! head = client.ReadHead()
        let stopping = running.Stop()
        go.SetResult()
        let! response = Framing.readResponseBody client.Wire false head
        Assert.Equal("helloworld", Message.text response)
        let! cut = stopping
        Assert.Equal(0, cut)
    })

[<Fact>]
let ``An idle connection is closed cleanly`` () =
    Balancers.withOneAnd (draining 0.4) (Script.always (Script.ok "fine")) (fun _ running -> task {
        use! client = running.Connect()
        let! _ = client.Ask get
        let! cut = running.Stop()
        Assert.Equal(0, cut)
        let! rest, ending = client.Wire.ReadToEnd()
        Assert.Empty rest
        Assert.Equal(Finished, ending)
    })

[<Fact>]
let ``What is left when the drain timeout ends is cut off`` () =
    Balancers.withOneAnd (draining 0.3) Script.silent (fun backend running -> task {
        use! client = running.Connect()
        do! client.Send get
        do! Eventually.holds "the request is in flight" (fun () -> backend.Requests.Length = 1)
        let! cut = Eventually.finishes "the balancer stops" (running.Stop())
        Assert.Equal(1, cut)
        let! rest, _ = client.Wire.ReadToEnd()
        Assert.Empty rest
        do! Eventually.holds "the backend's request is cancelled" (fun () -> backend.Open = 0)
    })

[<Fact>]
let ``A tunnel does not hold the program longer than the drain timeout`` () =
    let script =
        Script.once (fun connection _ -> task {
            do!
                connection.Send
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: odd\r\n\r\n"

            do! connection.Left()
        })

    Balancers.withOneAnd (draining 0.3) script (fun backend running -> task {
        use! client = running.Connect()

        do! client.Send "GET / HTTP/1.1\r\nHost: conduit.test\r\nConnection: Upgrade\r\nUpgrade: odd\r\n\r\n"

        let! head = client.ReadHead()
        Assert.Equal(101, Message.status head)
        let! cut = Eventually.finishes "the balancer stops" (running.Stop())
        Assert.Equal(1, cut)
        do! Eventually.holds "the tunnel is closed" (fun () -> backend.Open = 0)
    })

[<Fact>]
let ``After the stop, nothing answers on either port`` () =
    Balancers.withOneAnd (draining 0.1) (Script.always (Script.ok "fine")) (fun _ running -> task {
        let admin = Uri running.AdminUrl
        let! _ = running.Stop()
        let! isRefused = refused running
        Assert.True isRefused

        let! _ =
            Assert.ThrowsAnyAsync<SocketException>(fun () -> task {
                use! _ = RawClient.Connect admin.Port
                ()
            })

        Assert.Contains(running.Log.Lines, fun line -> line.Text.StartsWith "Stopped, 0 ")
    })
