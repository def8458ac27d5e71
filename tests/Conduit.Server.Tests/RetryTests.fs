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
        Pool = {
            settings.Pool with
                Retry.Most = count
        }
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
                    Retry.Most = 2
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

let private policy change (settings: Settings) = {
    settings with
        Pool = {
            settings.Pool with
                Retry = change settings.Pool.Retry
        }
}

let private with503 =
    policy (fun retry -> {
        retry with
            Statuses = StatusSet.range 503 503
    })

let private busy headers =
    Script.always $"HTTP/1.1 503 Busy\r\n{headers}Content-Length: 4\r\n\r\nbusy"

let private withTwoAnd change first second test = task {
    use first = ScriptedBackend.Start first
    use second = ScriptedBackend.Start second
    do! Balancers.run change [ first.Url; second.Url ] (test first second)
    Assert.Empty(first.Failures @ second.Failures)
}

[<Fact>]
let ``An answer whose status is to be tried again comes from another backend`` () =
    withTwoAnd with503 (busy "Retry-After: 0\r\n") echo (fun first second running -> task {
        for _ in 1..4 do
            let! response = running.Ask get
            Assert.Equal(200, Message.status response)

        Assert.NotEmpty first.Requests
        Assert.Equal(4, second.Requests.Length)
        Assert.Equal<int64[]>([| 0L; 0L |], running.Failures)
    })

[<Fact>]
let ``The last try's answer is relayed as it is, and so is one to a method that is not idempotent`` () =
    withTwoAnd with503 (busy "X-Mine: yes\r\n") (busy "X-Mine: yes\r\n") (fun first second running -> task {
        let! response = running.Ask get
        Assert.Equal(503, Message.status response)
        Assert.Equal("busy", Message.text response)
        Assert.Equal(Some "yes", Message.value "X-Mine" response)
        Assert.Equal(4, first.Requests.Length + second.Requests.Length)
        let! response = running.Ask(empty "POST")
        Assert.Equal("busy", Message.text response)
        Assert.Equal(5, first.Requests.Length + second.Requests.Length)
    })

[<Fact>]
let ``A backend that wants to be left alone for long is not asked again: the client gets to know`` () =
    withTwoAnd with503 (busy "Retry-After: 120\r\n") echo (fun first second running -> task {
        let! response = running.Ask get
        Assert.Equal(503, Message.status response)
        Assert.Equal(Some "120", Message.value "Retry-After" response)
        Assert.Single first.Requests |> ignore
        Assert.Empty second.Requests
    })

[<Fact>]
let ``A try with a timeout of its own is followed by another, and the total timeout ends them all`` () = task {
    let change =
        policy (fun retry -> {
            retry with
                TryTimeout = Some(System.TimeSpan.FromMilliseconds 150.0)
        })

    use silent = ScriptedBackend.Start Script.silent
    use backend = ScriptedBackend.Start echo

    do!
        Balancers.run change [ silent.Url; backend.Url ] (fun running -> task {
            let! response = running.Ask get
            Assert.Equal(200, Message.status response)
            Assert.Single silent.Requests |> ignore
        })

    use other = ScriptedBackend.Start Script.silent

    let change =
        policy (fun retry -> {
            retry with
                Most = 100
                TryTimeout = Some(System.TimeSpan.FromMilliseconds 100.0)
                TotalTimeout = Some(System.TimeSpan.FromMilliseconds 500.0)
        })

    do!
        Balancers.run change [ silent.Url; other.Url ] (fun running -> task {
            let before = silent.Requests.Length
            let! response = running.Ask get
            Assert.Equal(504, Message.status response)
            Assert.InRange(silent.Requests.Length + other.Requests.Length - before, 2, 6)
        })
}

[<Theory>]
[<InlineData("PUT", 200)>]
[<InlineData("POST", 502)>]
let ``A small body that is kept is sent again, whole, where the method is idempotent``
    (method: string, status: int)
    =
    let keeping = policy (fun retry -> { retry with Buffer = 1024 })

    withTwoAnd keeping Script.resetting echo (fun first _ running -> task {
        let! response = running.Ask(withBody method)
        Assert.Equal(status, Message.status response)

        if status = 200 then
            Assert.Equal("hello", Message.text response)

        Assert.Single first.Requests |> ignore
        Assert.Equal(0L, KeptBody.Sum)
    })

[<Fact>]
let ``A body larger than the buffer is not kept`` () =
    let keeping = policy (fun retry -> { retry with Buffer = 4 })

    withTwoAnd keeping Script.resetting echo (fun _ second running -> task {
        let! response = running.Ask(withBody "PUT")
        Assert.Equal(502, Message.status response)
        Assert.Empty second.Requests
    })

[<Fact>]
let ``When everything fails, further tries stay within the budget`` () = task {
    use first = ScriptedBackend.Start Script.resetting
    use second = ScriptedBackend.Start Script.resetting

    let change =
        policy (fun retry -> {
            retry with
                BackOff = {
                    retry.BackOff with
                        Initial = System.TimeSpan.Zero
                }
                Budget = { Percentage = 20.0; PerSecond = 2.0 }
        })

    do!
        Balancers.run change [ first.Url; second.Url ] (fun running -> task {
            let clock = System.Diagnostics.Stopwatch.StartNew()
            let requests = 200

            for _ in 1..requests do
                let! response = running.Ask get
                Assert.Equal(502, Message.status response)

            let tries = first.Requests.Length + second.Requests.Length
            let most = 0.2 * float requests + 2.0 * (1.0 + clock.Elapsed.TotalSeconds)
            // The balancer has been there for a moment longer than the clock.
            Assert.InRange(tries - requests, 1, int most + 20)
            Assert.InRange(running.Balancer.Agent.Current.Pools[0].Budget.Refused, 1L, int64 requests)
        })
}
