module Conduit.Server.Tests.MetricsTests

open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

let private get target =
    $"GET {target} HTTP/1.1\r\nHost: conduit.test\r\n\r\n"

/// Answers with the status that the path names.
let private statuses =
    Script.answering (fun request ->
        match Message.target request with
        | "/404" -> "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"
        | "/503" -> "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
        | _ -> Script.ok "hello")

let private withAdmin = Balancers.withOneAnd Balancers.withAdmin

let private requests = Metrics.sum "lb_requests_total"

/// Waits until so many requests are counted: a request is over a moment after its answer is there.
let private counted (running: Running) (count: int) : Task<Series list> = task {
    let mutable series = []

    do!
        Eventually.holds $"{count} requests are counted" (fun () ->
            series <- (Metrics.read running.AdminUrl).Result
            requests [] series = float count)

    return series
}

[<Fact>]
let ``requests are counted by backend, method and status`` () =
    withAdmin statuses (fun backend running -> task {
        use! client = running.Connect()

        for request in
            [
                get "/"
                get "/"
                get "/404"
                get "/503"
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
                "PROPFIND / HTTP/1.1\r\nHost: h\r\n\r\n"
            ] do
            let! _ = client.Ask request
            ()

        let! series = counted running 6

        let at labels =
            requests (("backend", backend.Url) :: labels) series

        Assert.Equal(2.0, at [ "method", "GET"; "status", "200" ])
        Assert.Equal(1.0, at [ "method", "GET"; "status", "404" ])
        Assert.Equal(1.0, at [ "method", "GET"; "status", "503" ])
        Assert.Equal(1.0, at [ "method", "POST"; "status", "200" ])
        Assert.Equal(1.0, at [ "method", "other"; "status", "200" ])

        let one name =
            Metrics.sum name [ "backend", backend.Url ] series

        Assert.Equal(6.0, one "lb_request_duration_seconds_count")

        Assert.Equal(
            6.0,
            Metrics.sum "lb_request_duration_seconds_bucket" [ "le", "+Inf"; "backend", backend.Url ] series
        )

        Assert.Equal(6.0, one "lb_backend_first_byte_seconds_count")
        Assert.Equal(6.0, one "lb_backend_tries_total")
        Assert.Equal(5.0, one "lb_backend_received_bytes_total")
        Assert.Equal(24.0, one "lb_backend_sent_bytes_total")
        Assert.Equal(1.0, one "lb_backend_up")
        Assert.Equal(0.0, one "lb_active_connections")
        Assert.Equal(1.0, one "lb_backend_connect_seconds_count")
        Assert.Equal(1.0, Metrics.sum "lb_backend_responses_total" [ "class", "5xx" ] series)
        Assert.Equal(1.0, Metrics.sum "lb_client_connections" [] series)
    })

[<Fact>]
let ``a request that is tried again is one request, at the backend that answered`` () = task {
    use first = ScriptedBackend.Start Script.resetting
    use second = ScriptedBackend.Start statuses

    do!
        Balancers.run Balancers.withAdmin [ first.Url; second.Url ] (fun running -> task {
            let! _ = running.Ask(get "/")
            let! series = counted running 1
            Assert.Equal(1.0, requests [ "backend", second.Url; "status", "200" ] series)
            let failures = Metrics.sum "lb_backend_failures_total"
            Assert.Equal(1.0, failures [ "backend", first.Url; "cause", "reset" ] series)
            Assert.Equal(1.0, failures [] series)
            Assert.Equal(1.0, Metrics.sum "lb_backend_retries_total" [ "backend", first.Url ] series)
            Assert.Equal(2.0, Metrics.sum "lb_backend_tries_total" [] series)
        })
}

[<Fact>]
let ``what no backend took counts at none, and a client that left as 499`` () =
    let script = Script.once (fun connection _ -> connection.Left())

    withAdmin script (fun backend running -> task {
        let! _ = running.Ask "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"
        use! client = running.Connect()
        do! client.Send(get "/")
        do! Eventually.holds "the request is in flight" (fun () -> running.InFlight = 1)
        client.Reset()
        let! series = counted running 2
        Assert.Equal(1.0, requests [ "backend", "none"; "method", "OPTIONS"; "status", "501" ] series)
        Assert.Equal(1.0, requests [ "backend", backend.Url; "method", "GET"; "status", "499" ] series)
        Assert.Equal(1.0, Metrics.sum "lb_backend_failures_total" [ "cause", "client_gone" ] series)
    })

[<Fact>]
let ``a response that breaks off counts with the status that the client saw`` () =
    withAdmin (Script.closing "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf") (fun backend running -> task {
        use! client = running.Connect()
        do! client.Send(get "/")
        let! head = client.ReadHead()
        Assert.Equal(200, Message.status head)
        let! series = counted running 1
        Assert.Equal(1.0, requests [ "backend", backend.Url; "status", "200" ] series)
        Assert.Equal(1.0, Metrics.sum "lb_backend_failures_total" [ "cause", "truncated" ] series)
    })

[<Fact>]
let ``what clients make up becomes no series`` () =
    withAdmin statuses (fun _ running -> task {
        use! client = running.Connect()
        let! _ = client.Ask(get "/")
        let! _ = client.Ask "MADEUP / HTTP/1.1\r\nHost: h\r\n\r\n"
        let! before = counted running 2

        for number in 1..1000 do
            let! _ =
                client.Ask
                    $"M{number} /{number}?{number} HTTP/1.1\r\nHost: h{number}\r\nX-{number}: {number}\r\nUser-Agent: {number}\r\n\r\n"

            ()

        let! after = counted running 1002
        Assert.Equal(before.Length, after.Length)
    })

[<Fact>]
let ``the traffic port has them where it is asked to`` () =
    let change (settings: Settings) = {
        settings with
            Metrics = {
                settings.Metrics with
                    Path = Some "/my/metrics"
            }
    }

    Balancers.withOneAnd change statuses (fun _ running -> task {
        let! answer = running.Get "/my/metrics"
        Assert.Contains("# TYPE lb_requests_total counter\n", Message.text answer)
        let! other = running.Get "/metrics"
        Assert.Equal("hello", Message.text other)
    })

[<Fact>]
let ``requests are not counted where that is switched off`` () =
    let change (settings: Settings) = {
        Balancers.withAdmin settings with
            Metrics = { Enabled = false; Path = None }
    }

    Balancers.withOneAnd change statuses (fun _ running -> task {
        let! _ = running.Get "/"
        let! series = Metrics.read running.AdminUrl
        Assert.Equal(0.0, requests [] series)
        Assert.Equal(1.0, Metrics.sum "lb_backend_up" [] series)
    })

[<Fact>]
let ``the same numbers are there for whoever listens to the meter`` () = task {
    use backend = ScriptedBackend.Start statuses

    do!
        Balancers.run Balancers.withAdmin [ backend.Url ] (fun running -> task {
            use listener = new System.Diagnostics.Metrics.MeterListener()
            let mutable seen = 0.0

            listener.InstrumentPublished <-
                fun instrument listener ->
                    if instrument.Meter.Name = "Conduit" && instrument.Name = "lb_requests" then
                        listener.EnableMeasurementEvents instrument

            listener.SetMeasurementEventCallback<float>(fun _ value tags _ ->
                for tag in tags do
                    if tag.Key = "backend" && string tag.Value = backend.Url then
                        seen <- seen + value)

            listener.Start()
            let! _ = running.Get "/"
            let! _ = counted running 1
            listener.RecordObservableInstruments()
            Assert.Equal(1.0, seen)
        })
}
