module Conduit.Server.Tests.AdmissionTests

open System
open System.Diagnostics
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

let private set (texts: string list) =
    texts
    |> List.map (fun text ->
        match AddressSet.parse "test" text with
        | Ok set -> set
        | Error fault -> failwith (Fault.render fault))
    |> AddressSet.union

let private taking (change: AdmissionSettings -> AdmissionSettings) (settings: Settings) = {
    settings with
        Pool = {
            settings.Pool with
                Admission = change settings.Pool.Admission
        }
}

/// Clients are whom the test says they are.
let private behindProxy (settings: Settings) = {
    settings with
        TrustedProxies = set [ "127.0.0.0/8" ]
}

let private from (chain: string) =
    $"GET / HTTP/1.1\r\nHost: conduit.test\r\nX-Forwarded-For: {chain}\r\n\r\n"

let private answer = Script.always (Script.ok "fine")

let private refusals reason (running: Running) =
    running.Balancer.Agent.Current.Pools[0].Rejections.Count reason

let private statuses (running: Running) (requests: string list) = task {
    let found = ResizeArray<int>()

    for request in requests do
        let! response = running.Ask request
        found.Add(Message.status response)

    return List.ofSeq found
}

[<Fact>]
let ``Clients that are denied, or not among those allowed, are answered 403 and counted`` () =
    let settings =
        taking (fun settings -> {
            settings with
                Allow = set [ "10.0.0.0/8"; "2001:db8::/32" ]
                Deny = set [ "10.0.0.7" ]
        })
        >> behindProxy

    Balancers.withOneAnd settings answer (fun backend running -> task {
        let! found =
            [ "10.0.0.1"; "2001:db8::1"; "10.0.0.7"; "192.0.2.1" ]
            |> List.map from
            |> statuses running

        Assert.Equal<int list>([ 200; 200; 403; 403 ], found)
        Assert.Equal(2, backend.Requests.Length)
        Assert.Equal(2L, refusals RejectReason.Denied running)
    })

[<Fact>]
let ``Only a proxy that is trusted tells whose request it is, and only the end of its list`` () =
    let settings =
        taking (fun settings -> {
            settings with
                Deny = set [ "10.0.0.7" ]
        })

    let direct = [ from "10.0.0.7" ]

    Balancers.withOneAnd settings answer (fun _ running -> task {
        let! found = statuses running direct
        Assert.Equal<int list>([ 200 ], found)
    })
    |> fun first -> first.Wait()

    let proxied = [
        from "10.0.0.7"
        from "10.0.0.7, 192.0.2.1"
        from "192.0.2.1, 10.0.0.7"
        from "192.0.2.1, 10.0.0.7, 127.0.0.9"
        from "10.0.0.7:4711"
        from "10.0.0.7, nonsense"
        from ""
    ]

    Balancers.withOneAnd (settings >> behindProxy) answer (fun _ running -> task {
        let! found = statuses running proxied
        Assert.Equal<int list>([ 403; 200; 403; 403; 403; 200; 200 ], found)
    })

let private limited by (settings: AdmissionSettings) = {
    settings with
        RateLimit =
            Some {
                // Nothing comes back while the test runs.
                Rate = {
                    Tokens = 1
                    Period = TimeSpan.FromHours 1.0
                }
                Burst = 2
                By = by
                Exempt = set [ "192.0.2.9" ]
                MaxKeys = 1024
            }
}

[<Fact>]
let ``Over the rate a client is answered 429, and told when to come again`` () =
    Balancers.withOneAnd (taking (limited LimitBy.Client) >> behindProxy) answer (fun backend running -> task {
        let since = Stopwatch.StartNew()

        let! found =
            [
                "192.0.2.1"
                "192.0.2.1"
                "192.0.2.1"
                "192.0.2.2"
                // The same customer, by IPv6.
                "2001:db8::1"
                "2001:db8::2"
                "2001:db8::ffff:1"
            ]
            |> List.map from
            |> statuses running

        Assert.Equal<int list>([ 200; 200; 429; 200; 200; 200; 429 ], found)

        let! exempt = [ for _ in 1..5 -> from "192.0.2.9" ] |> statuses running
        Assert.All(exempt, (fun status -> Assert.Equal(200, status)))
        Assert.Equal(10, backend.Requests.Length)
        Assert.Equal(2L, refusals RejectReason.RateLimited running)

        let! refused = running.Ask(from "192.0.2.1")
        let wait = int (Option.get (Message.value "Retry-After" refused))
        // An hour for each, less the seconds since the first request.
        Assert.InRange(wait, 3600 - int (ceil since.Elapsed.TotalSeconds), 3600)
        Assert.Equal(Some "\"default\";q=2;w=7200", Message.value "RateLimit-Policy" refused)
        Assert.Equal(Some $"\"default\";r=0;t={wait}", Message.value "RateLimit" refused)
        Assert.StartsWith("Too many requests", Message.text refused)
    })

[<Fact>]
let ``A rate can be by a header, where there is one, or by the pool`` () =
    let withKey key =
        $"GET / HTTP/1.1\r\nHost: conduit.test\r\nX-Api-Key: {key}\r\n\r\n"

    let plain = "GET / HTTP/1.1\r\nHost: conduit.test\r\n\r\n"
    let requests = [ withKey "a"; withKey "a"; withKey "a"; withKey "b"; plain; plain; plain ]

    Balancers.withOneAnd (taking (limited (LimitBy.Header "X-Api-Key"))) answer (fun _ running -> task {
        let! found = statuses running requests
        Assert.Equal<int list>([ 200; 200; 429; 200; 200; 200; 429 ], found)
    })
    |> fun first -> first.Wait()

    Balancers.withOneAnd (taking (limited LimitBy.Pool)) answer (fun _ running -> task {
        let! found = statuses running requests
        Assert.Equal<int list>([ 200; 200; 429; 429; 429; 429; 429 ], found)
    })

[<Fact>]
let ``A pool that is full answers 503 with Retry-After, and takes more when a request has ended`` () =
    let release =
        TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)

    let held: Script =
        fun connection -> task {
            let mutable going = true

            while going do
                match! connection.ReadRequest() with
                | None -> going <- false
                | Some request ->
                    if Message.target request = "/held" then
                        do! release.Task

                    do! connection.Send(Script.ok "fine")
        }

    let settings = taking (fun settings -> { settings with MaxInFlight = 1 })

    Balancers.withOneAnd settings held (fun backend running -> task {
        let first = running.Get "/held"
        do! Eventually.holds "the first request has arrived" (fun () -> backend.Requests.Length = 1)
        let! second = running.Get "/"
        Assert.Equal(503, Message.status second)
        Assert.Equal(Some "1", Message.value "Retry-After" second)
        Assert.Equal(1L, refusals RejectReason.Busy running)
        release.SetResult()
        let! first = first
        Assert.Equal(200, Message.status first)

        do!
            Eventually.holds "the place is free again" (fun () ->
                running.Balancer.Agent.Current.Pools[0].Admitted.Value = 0)

        let! third = running.Get "/"
        Assert.Equal(200, Message.status third)
    })

[<Fact>]
let ``A body that is too large is answered 413, whether its length is told or not`` () =
    let settings = taking (fun settings -> { settings with MaxBody = 20L })
    let head = "POST / HTTP/1.1\r\nHost: conduit.test\r\n"
    let echo = Script.answering (Message.text >> Script.ok)

    Balancers.withOneAnd settings echo (fun backend running -> task {
        let! fits = running.Ask(head + "Content-Length: 20\r\n\r\n" + String('x', 20))
        Assert.Equal(200, Message.status fits)

        let! inChunks =
            running.Ask(head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")

        Assert.Equal("hello", Message.text inChunks)

        let! told = running.Ask(head + "Content-Length: 21\r\n\r\n" + String('x', 21))
        Assert.Equal(413, Message.status told)
        Assert.Equal(Some "close", Message.value "Connection" told)
        Assert.Equal(2, backend.Requests.Length)

        let! untold =
            running.Ask(
                head
                + "Transfer-Encoding: chunked\r\n\r\n15\r\n"
                + String('x', 21)
                + "\r\n0\r\n\r\n"
            )

        Assert.Equal(413, Message.status untold)
        Assert.Equal(2L, refusals RejectReason.BodyTooLarge running)
        Assert.Equal(0L, running.Failures[0])
    })

[<Fact>]
let ``A pool counts what it has taken until it has ended`` () =
    Balancers.withOne answer (fun _ running -> task {
        for _ in 1..3 do
            let! response = running.Get "/"
            Assert.Equal(200, Message.status response)

        do!
            Eventually.holds "none is left" (fun () ->
                running.Balancer.Agent.Current.Pools[0].Admitted.Value = 0)
    })
