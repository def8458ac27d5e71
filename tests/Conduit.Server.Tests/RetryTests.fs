module Conduit.Server.Tests.RetryTests

open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

let private get = "GET / HTTP/1.1\r\nHost: conduit.test\r\n\r\n"

let private withBody method =
    $"{method} / HTTP/1.1\r\nHost: conduit.test\r\nContent-Length: 5\r\n\r\nhello"

let private empty method =
    $"{method} / HTTP/1.1\r\nHost: conduit.test\r\nContent-Length: 0\r\n\r\n"

let private retries count (settings: Settings) = {
    settings with
        Pool = { settings.Pool with Retries = count }
}

let private echo = Script.answering (Message.text >> Script.ok)

/// Runs a test with two backends, the first of which is asked first.
let private withTwo first second (test: ScriptedBackend -> ScriptedBackend -> Running -> Task) : Task = task {
    use first = ScriptedBackend.Start first
    use second = ScriptedBackend.Start second
    do! Balancers.run id [ first.Url; second.Url ] (test first second)
    Assert.Empty(first.Failures @ second.Failures)
}

[<Theory>]
[<InlineData "GET">]
[<InlineData "POST">]
[<InlineData "PATCH">]
let ``A refused connection costs nobody a request, whatever its method and body`` (method: string) = task {
    use refusing = new RefusingPort()
    use backend = ScriptedBackend.Start echo

    do!
        Balancers.run id [ refusing.Url; backend.Url ] (fun running -> task {
            for _ in 1..4 do
                let! response = running.Ask(withBody method)
                Assert.Equal(200, Message.status response)
                Assert.Equal("hello", Message.text response)

            Assert.InRange(running.Failures[0], 1L, 4L)
            Assert.Equal(0L, running.Failures[1])
        })
}

[<Fact>]
let ``With every connection refused, the tries end at the limit and the answer is 502`` () = task {
    use refusing = new RefusingPort()

    do!
        Balancers.run (retries 2) [ refusing.Url ] (fun running -> task {
            let! response = running.Ask get
            Assert.Equal(502, Message.status response)
            Assert.Equal<int64[]>([| 3L |], running.Failures)
        })
}

[<Fact>]
let ``No retries means one try`` () = task {
    use refusing = new RefusingPort()
    use backend = ScriptedBackend.Start echo

    do!
        Balancers.run (retries 0) [ refusing.Url; backend.Url ] (fun running -> task {
            let! response = running.Ask get
            Assert.Equal(502, Message.status response)
            Assert.Empty backend.Requests
        })
}

[<Theory>]
[<InlineData "GET">]
[<InlineData "DELETE">]
[<InlineData "OPTIONS">]
let ``A connection lost before the response is tried again on the other backend`` (method: string) =
    withTwo Script.resetting echo (fun first second running -> task {
        let! response = running.Ask $"{method} / HTTP/1.1\r\nHost: conduit.test\r\n\r\n"
        Assert.Equal(200, Message.status response)
        Assert.Single first.Requests |> ignore
        Assert.Single second.Requests |> ignore
        Assert.Equal<int64[]>([| 1L; 0L |], running.Failures)
    })

[<Fact>]
let ``A connection closed before the response is tried again on the other backend`` () =
    withTwo (Script.once (fun _ _ -> Task.CompletedTask)) echo (fun first second running -> task {
        let! response = running.Ask get
        Assert.Equal(200, Message.status response)
        // A transport may take it for a connection that was closed while idle, and try there again.
        Assert.NotEmpty first.Requests
        Assert.Single second.Requests |> ignore
    })

[<Theory>]
[<InlineData "POST">]
[<InlineData "PATCH">]
[<InlineData "PURGE">]
let ``What is not idempotent is sent once`` (method: string) =
    withTwo Script.resetting echo (fun first second running -> task {
        let! response = running.Ask(empty method)
        Assert.Equal(502, Message.status response)
        Assert.Single first.Requests |> ignore
        Assert.Empty second.Requests
    })

[<Theory>]
[<InlineData "Content-Length: 5\r\n\r\nhello">]
[<InlineData "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n">]
let ``A body that is spent is not sent again, and nothing is sent instead`` (body: string) =
    withTwo Script.resetting echo (fun first second running -> task {
        let! response = running.Ask $"PUT / HTTP/1.1\r\nHost: conduit.test\r\n{body}"
        Assert.Equal(502, Message.status response)
        Assert.Single first.Requests |> ignore
        Assert.Equal(0, second.Connections)
    })

/// Answers a connection's first request and closes it at the second, as a server does whose
/// keep-alive time is over just then.
let private closesWhenReused: Script =
    fun connection -> task {
        let! _ = connection.ReadRequest()
        do! connection.Send(Script.ok "first")
        let! _ = connection.ReadRequest()
        ()
    }

[<Fact>]
let ``A pooled connection that has died costs no idempotent request`` () =
    Balancers.withOne
        (Script.inTurn [ closesWhenReused; Script.always (Script.ok "again") ])
        (fun backend running -> task {
            let! first = running.Ask get
            Assert.Equal("first", Message.text first)
            let! second = running.Ask get
            Assert.Equal("again", Message.text second)
            Assert.Equal(3, backend.Requests.Length)
        })

[<Theory>]
[<InlineData "POST">]
[<InlineData "PATCH">]
let ``A pooled connection that dies on a POST does not send it twice`` (method: string) =
    Balancers.withOne
        (Script.inTurn [ closesWhenReused; Script.always (Script.ok "again") ])
        (fun backend running -> task {
            let! first = running.Ask get
            Assert.Equal("first", Message.text first)
            let! second = running.Ask(empty method)
            Assert.Equal(502, Message.status second)
            Assert.Equal(2, backend.Requests.Length)
        })

[<Fact>]
let ``A pooled connection that the backend closed while idle costs nobody a request`` () =
    Balancers.withOne (Script.inTurn [ Script.closing (Script.ok "first"); echo ]) (fun backend running -> task {
        let! first = running.Ask get
        Assert.Equal("first", Message.text first)
        do! Eventually.holds "the connection is closed" (fun () -> backend.Open = 0)
        let! second = running.Ask(withBody "POST")
        Assert.Equal("hello", Message.text second)
    })

[<Fact>]
let ``Once a byte has reached the client, nothing is tried again: the connection is cut`` () =
    let half =
        Script.once (fun connection _ -> task {
            do! connection.Send "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\nhalf"
            do! Task.Delay 50
            connection.Reset()
        })

    withTwo half echo (fun _ second running -> task {
        use! client = running.Connect()
        do! client.Send get
        let! head = client.ReadHead()
        Assert.Equal(Some "10000", Message.value "Content-Length" head)
        let! rest, _ = client.Wire.ReadToEnd()
        Assert.InRange(rest.Length, 0, 4)
        Assert.Empty second.Requests
        Assert.Equal<int64[]>([| 1L; 0L |], running.Failures)
    })

[<Fact>]
let ``No backend is tried twice while another is free, however heavy it is`` () = task {
    use refusing = new RefusingPort()
    use resetting = ScriptedBackend.Start Script.resetting
    use backend = ScriptedBackend.Start echo

    let change (settings: Settings) = {
        settings with
            Pool = {
                settings.Pool with
                    Strategy = Strategy.WeightedRoundRobin
                    Retries = 2
            }
    }

    do!
        Balancers.run
            change
            [ refusing.Url + ";weight=200"; resetting.Url + ";weight=100"; backend.Url ]
            (fun running -> task {
                for _ in 1..5 do
                    let! response = running.Ask get
                    Assert.Equal(200, Message.status response)
            })
}

[<Fact>]
let ``The only backend there is gets another try`` () =
    Balancers.withOne (Script.inTurn [ Script.resetting; Script.resetting; echo ]) (fun backend running -> task {
        let! response = running.Ask get
        Assert.Equal(200, Message.status response)
        Assert.Equal(3, backend.Requests.Length)
    })

[<Fact>]
let ``A timeout is not tried again`` () = task {
    use silent = ScriptedBackend.Start Script.silent
    use backend = ScriptedBackend.Start echo

    let change =
        Balancers.withTimeouts (fun timeouts -> {
            timeouts with
                Response = System.TimeSpan.FromMilliseconds 200.0
        })

    do!
        Balancers.run change [ silent.Url; backend.Url ] (fun running -> task {
            let! response = running.Ask get
            Assert.Equal(504, Message.status response)
            Assert.Empty backend.Requests
        })
}
