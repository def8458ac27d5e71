namespace Conduit.Server.Tests

open System
open System.Diagnostics
open System.Net
open System.Net.Http
open System.Text.Json
open System.Threading
open Conduit.Server.Sample
open Xunit
open Conduit.Server.Tests.SampleBackendClient

/// The whole answers of the sample backend, each test with a backend of its own.
module SampleBackendTests =

    [<Fact>]
    let ``the root and unknown paths greet with the name, whatever the method`` () = task {
        use! backend = SampleBackend.start settings
        use client = newClient backend

        for path in [ "/"; "/nothing/here.css?x=1"; "/sleepy" ] do
            let! answer = get client path
            Assert.Equal((200, hello), answer)

        let! answer = send client "PURGE" "/" "body" []
        Assert.Equal((200, hello), answer)
    }

    [<Fact>]
    let ``no answer names the server, and text is text/plain`` () = task {
        use! backend = SampleBackend.start settings
        use client = newClient backend
        use! answer = client.GetAsync "/"
        Assert.False(answer.Headers.Contains "Server")
        Assert.Equal("text/plain; charset=utf-8", string answer.Content.Headers.ContentType)
    }

    [<Theory>]
    [<InlineData("/", 39L)>]
    [<InlineData("/healthz", 18L)>]
    [<InlineData("/bytes?n=1099511627776", 1099511627776L)>]
    let ``HEAD answers with the length and without the body`` (path: string, length: int64) = task {
        use! backend = SampleBackend.start settings

        let! answer =
            raw backend $"HEAD {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", answer)
        Assert.Contains($"\r\nContent-Length: {length}\r\n", answer)
        Assert.Equal("", bodyOf answer)
    }

    [<Fact>]
    let ``health endpoints answer their JSON`` () = task {
        use! backend = SampleBackend.start settings
        use client = newClient backend
        let! _, health = get client "/health"
        use document = JsonDocument.Parse health
        Assert.True(document.RootElement.GetProperty("memory_usage").GetInt64() > 1_000_000L)
        let! alive = get client "/healthz"
        Assert.Equal((200, """{"status":"alive"}"""), alive)
        let! ready = get client "/readyz"
        Assert.Equal((200, """{"status":"ready"}"""), ready)
    }

    [<Fact>]
    let ``readiness is turned off and on, and work goes on meanwhile`` () = task {
        use! backend = SampleBackend.start settings
        use client = newClient backend
        let! off = send client "POST" "/admin/ready/" """{"ready":false}""" []
        Assert.Equal((200, """{"ready":false}"""), off)
        let! unready = get client "/readyz"
        Assert.Equal((503, "Service not ready\n"), unready)
        let! work = get client "/"
        Assert.Equal((200, hello), work)
        let! on = send client "POST" "/admin/ready" """ { "ready" : true } """ []
        Assert.Equal((200, """{"ready":true}"""), on)
        let! ready = get client "/readyz"
        Assert.Equal(200, fst ready)
    }

    [<Theory>]
    [<InlineData("")>]
    [<InlineData("{")>]
    [<InlineData("[]")>]
    [<InlineData("true")>]
    [<InlineData("{}")>]
    [<InlineData("""{"ready":1}""")>]
    [<InlineData("""{"ready":"true"}""")>]
    let ``a readiness that cannot be read is refused`` (body: string) = task {
        use! backend = SampleBackend.start settings
        use client = newClient backend
        let! answer = send client "POST" "/admin/ready/" body []
        Assert.Equal((400, "Invalid request body\n"), answer)
    }

    [<Fact>]
    let ``a readiness of more than 4 KiB is refused`` () = task {
        use! backend = SampleBackend.start settings
        use client = newClient backend

        let! answer =
            send client "POST" "/admin/ready/" ("""{"ready":false}""" + String(' ', 5000)) []

        Assert.Equal((400, "Invalid request body\n"), answer)
    }

    [<Fact>]
    let ``readiness is set by POST only, and not through a proxy`` () = task {
        use! backend = SampleBackend.start settings
        use client = newClient backend
        let! put = send client "PUT" "/admin/ready/" """{"ready":false}""" []
        Assert.Equal((405, "Method not allowed\n"), put)

        for header in [ "X-Forwarded-For", "127.0.0.1"; "Forwarded", "for=127.0.0.1" ] do
            let! status, _ = send client "POST" "/admin/ready/" """{"ready":false}""" [ header ]
            Assert.Equal(403, status)

        let! ready = get client "/readyz"
        Assert.Equal(200, fst ready)
    }

    [<Fact>]
    let ``sleep takes its time and ends with the name`` () = task {
        use! backend = SampleBackend.start settings
        use client = newClient backend
        let watch = Stopwatch.StartNew()
        let! answer = get client "/sleep?ms=250"
        // Timers may fire a few milliseconds early.
        Assert.InRange(watch.ElapsedMilliseconds, 240L, int64 patience.TotalMilliseconds)
        Assert.Equal((200, "Slept 0.25 seconds on b1\n"), answer)
    }

    [<Fact>]
    let ``a client that leaves ends its sleep`` () = task {
        use! backend = SampleBackend.start settings
        use client = newClient backend
        use leave = new CancellationTokenSource()
        let sleeping = client.GetAsync("/sleep?ms=600000", leave.Token)
        do! until "the sleep begins" (fun () -> backend.InFlight = 1)
        leave.Cancel()
        let! _ = Assert.ThrowsAnyAsync<OperationCanceledException>(fun () -> sleeping)
        do! until "the sleep ends" (fun () -> backend.InFlight = 0)
    }

    [<Theory>]
    [<InlineData("/sleep?ms=600001")>]
    [<InlineData("/sleep?ms=-1")>]
    [<InlineData("/sleep?ms=1&ms=2")>]
    [<InlineData("/bytes")>]
    [<InlineData("/bytes?n=1099511627777")>]
    [<InlineData("/bytes?n=1e3")>]
    [<InlineData("/status")>]
    [<InlineData("/status?code=199")>]
    [<InlineData("/status?code=600")>]
    [<InlineData("/sse?count=x")>]
    [<InlineData("/sse?ms=3600001")>]
    let ``a number that is missing or out of range is refused`` (path: string) = task {
        use! backend = SampleBackend.start settings
        use client = newClient backend
        let! status, text = get client path
        Assert.Equal(400, status)
        Assert.Contains("must be a whole number from", text)
    }

    [<Theory>]
    [<InlineData(200, true)>]
    [<InlineData(204, false)>]
    [<InlineData(205, false)>]
    [<InlineData(304, false)>]
    [<InlineData(404, true)>]
    [<InlineData(599, true)>]
    let ``status answers what it is told, with a body where one may be`` (code: int, hasBody: bool) = task {
        use! backend = SampleBackend.start settings
        use client = newClient backend
        let! status, text = get client $"/status?code={code}"
        Assert.Equal(code, status)
        Assert.Equal((if hasBody then $"Status {code} from b1\n" else ""), text)
    }

    [<Fact>]
    let ``many and long headers are no obstacle`` () = task {
        use! backend = SampleBackend.start settings
        let headers = String.init 3000 (fun i -> $"X-H{i}: {i}\r\n")
        let long = String('a', 300_000)

        let! answer =
            raw
                backend
                $"GET /?{long} HTTP/1.1\r\nHost: h\r\n{headers}X-Long: {long}\r\nConnection: close\r\n\r\n"

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", answer)
    }

    [<Fact>]
    let ``a delay holds work back, but not health`` () = task {
        use! backend =
            SampleBackend.start {
                settings with
                    Delay = TimeSpan.FromHours 1.0
            }

        use client = newClient backend
        use leave = new CancellationTokenSource()
        let work = client.GetAsync("/", leave.Token)
        do! until "the work begins" (fun () -> backend.InFlight = 1)

        for path in [ "/health"; "/healthz"; "/readyz" ] do
            let! status, _ = get client path
            Assert.Equal(200, status)

        Assert.False work.IsCompleted
        leave.Cancel()
        do! until "the work is over" (fun () -> backend.InFlight = 0)
    }

    [<Fact>]
    let ``a delayed answer comes`` () = task {
        use! backend =
            SampleBackend.start {
                settings with
                    Delay = TimeSpan.FromMilliseconds 200.0
            }

        use client = newClient backend
        let watch = Stopwatch.StartNew()
        let! answer = get client "/"
        Assert.InRange(watch.ElapsedMilliseconds, 190L, int64 patience.TotalMilliseconds)
        Assert.Equal((200, hello), answer)
    }

    [<Theory>]
    [<InlineData("OPTIONS *", 200)>]
    [<InlineData("CONNECT h:1", 405)>]
    [<InlineData("GET http://h:1/status?code=204", 204)>]
    let ``targets of every form are answered`` (start: string, status: int) = task {
        use! backend = SampleBackend.start settings

        let! answer =
            raw backend $"{start} HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\n\r\n"

        Assert.StartsWith($"HTTP/1.1 {status} ", answer)
    }
