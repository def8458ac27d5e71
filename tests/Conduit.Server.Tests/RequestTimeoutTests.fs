module Conduit.Server.Tests.RequestTimeoutTests

open System
open System.Threading.Tasks
open Xunit
open Conduit

/// The timeout of a request as a whole, which is off unless somebody asks for it.

let private within (time: float) =
    Balancers.withTimeouts (fun timeouts -> {
        timeouts with
            Request = Some(TimeSpan.FromMilliseconds time)
    })

let private get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

[<Fact>]
let ``A request that is not answered in its time is answered 504, and its backend is blamed`` () =
    Balancers.withOneAnd (within 300.0) Script.silent (fun _ running -> task {
        let! response = running.Ask get
        Assert.Equal(504, Message.status response)
        Assert.Equal<int64[]>([| 1L |], running.Failures)
    })

[<Fact>]
let ``An answer that moves but does not end in its time is cut, and nobody is blamed`` () =
    let script: Script =
        Script.once (fun connection _ -> task {
            do! connection.Send "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"

            for _ in 1..400 do
                do! connection.Send "x"
                do! Task.Delay 50
        })

    Balancers.withOneAnd (within 500.0) script (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send get
        let! head = client.ReadHead()
        Assert.Equal(200, Message.status head)
        let! rest, _ = client.Wire.ReadToEnd()
        Assert.InRange(rest.Length, 1, 300)
        do! Eventually.holds "the lease is given back" (fun () -> running.InFlight = 0)
        Assert.Equal<int64[]>([| 0L |], running.Failures)
    })

[<Fact>]
let ``A body that does not end in its time is answered 504`` () =
    Balancers.withOneAnd (within 500.0) (Script.always (Script.ok "a")) (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
        let! head = client.ReadHead()
        Assert.Equal(504, Message.status head)
        Assert.Equal<int64[]>([| 0L |], running.Failures)
    })

[<Fact>]
let ``Requests on one connection have their time each`` () =
    let script =
        Script.inTurn [
            fun connection -> task {
                for _ in 1..6 do
                    let! _ = connection.ReadRequest()
                    do! Task.Delay 100
                    do! connection.Send(Script.ok "a")
            }
        ]

    Balancers.withOneAnd (within 500.0) script (fun _ running -> task {
        use! client = running.Connect()

        for _ in 1..6 do
            let! response = client.Ask get
            Assert.Equal(200, Message.status response)
    })

[<Fact>]
let ``A tunnel outlives it`` () =
    let script: Script =
        Script.once (fun connection _ -> task {
            do!
                connection.Send
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: odd/1\r\n\r\n"

            do! Task.Delay 1200
            do! connection.Send "late"
        })

    Balancers.withOneAnd (within 500.0) script (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: odd/1\r\n\r\n"
        let! head = client.ReadHead()
        Assert.Equal(101, Message.status head)
        let! late = client.Wire.ReadExactly 4
        Assert.Equal<byte[]>("late"B, late)
    })
