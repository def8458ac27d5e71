module Conduit.Server.Tests.TelemetryTests

open System
open System.Threading.Tasks
open Xunit
open Conduit

let private telling (receiver: OtlpReceiver) (settings: Settings) = {
    settings with
        Telemetry =
            Some {
                Endpoint = receiver.Url.TrimEnd '/'
                Protocol = OtlpProtocol.HttpProtobuf
                ServiceName = "conduit"
                Traces = true
                Sample = 1.0
                Metrics = true
                Interval = TimeSpan.FromHours 1.0
            }
}

let private traceOf number = $"%032x{number + 0xabc0}"
let private clientSpan = "00f067aa0ba902b7"

let private traced number flags =
    $"GET /path?a=b HTTP/1.1\r\nHost: conduit.test\r\ntraceparent: 00-{traceOf number}-{clientSpan}-{flags}\r\n"
    + "tracestate: vendor=1\r\n\r\n"

let private ok = Script.always (Script.ok "hello")

[<Fact>]
let ``a trace goes on through a request and its tries, to the backend`` () = task {
    use! receiver = OtlpReceiver.Start()
    use refusing = new RefusingPort()
    use backend = ScriptedBackend.Start ok

    do!
        Balancers.run (telling receiver) [ refusing.Url; backend.Url ] (fun running -> task {
            for number in 1..2 do
                let! answer = running.Ask(traced number "01")
                Assert.Equal(200, Message.status answer)

            // What has gathered is sent.
            let! _ = running.Stop()
            ()
        })

    let spans = receiver.Spans

    for number in 1..2 do
        let trace = spans |> List.filter (fun span -> span.Trace = traceOf number)
        let server = trace |> List.filter (fun span -> span.Kind = 2) |> List.exactlyOne
        Assert.Equal(clientSpan, server.Parent)
        Assert.Equal("GET", server.Name)
        Assert.Equal("GET", server.Attributes["http.request.method"])
        Assert.Equal("/path", server.Attributes["url.path"])
        Assert.Equal("a=b", server.Attributes["url.query"])
        Assert.Equal("http", server.Attributes["url.scheme"])
        Assert.Equal("conduit.test", server.Attributes["server.address"])
        Assert.Equal("127.0.0.1", server.Attributes["client.address"])
        Assert.Equal("1.1", server.Attributes["network.protocol.version"])
        Assert.Equal("200", server.Attributes["http.response.status_code"])
        Assert.Equal(0, server.Status)

        for each in trace |> List.filter (fun span -> span.Kind = 3) do
            Assert.Equal(server.Id, each.Parent)

        Assert.All(trace, (fun span -> Assert.True(span.Kind = 2 || span.Kind = 3)))

    // In turn, so that at least one of the two met the refusing one first.
    let tries =
        spans
        |> List.filter (fun span -> span.Kind = 3)
        |> List.groupBy _.Trace
        |> List.map snd
        |> List.find (fun tries -> tries.Length = 2)

    let failed = tries |> List.find (fun span -> span.Status = 2)
    let answered = tries |> List.find (fun span -> span.Status = 0)
    Assert.Equal("connect_failed", failed.Attributes["error.type"])
    Assert.Equal(string refusing.Port, failed.Attributes["server.port"])
    Assert.Equal("200", answered.Attributes["http.response.status_code"])
    Assert.Equal("1", answered.Attributes["http.request.resend_count"])
    Assert.Equal($"{backend.Url}/path?a=b", answered.Attributes["url.full"])

    // The backend's parent is the try that reached it.
    let parents =
        backend.Requests
        |> List.map (Message.value "traceparent" >> Option.defaultValue "")

    Assert.Contains($"00-{answered.Trace}-{answered.Id}-01", parents)

    Assert.All(
        backend.Requests,
        (fun request -> Assert.Equal(Some "vendor=1", Message.value "tracestate" request))
    )
}

[<Fact>]
let ``a trace that its beginner does not record is passed on, and not told`` () = task {
    use! receiver = OtlpReceiver.Start()
    use backend = ScriptedBackend.Start ok

    do!
        Balancers.run (telling receiver) [ backend.Url ] (fun running -> task {
            let! _ = running.Ask(traced 1 "00")
            let! _ = running.Stop()
            ()
        })

    Assert.Empty receiver.Spans

    let parent =
        backend.Request |> Message.value "traceparent" |> Option.defaultValue ""

    Assert.StartsWith($"00-{traceOf 1}-", parent)
    Assert.EndsWith("-00", parent)
}

[<Fact>]
let ``what is no trace begins a new one`` () = task {
    use! receiver = OtlpReceiver.Start()
    use backend = ScriptedBackend.Start ok

    do!
        Balancers.run (telling receiver) [ backend.Url ] (fun running -> task {
            let! _ =
                running.Ask "PROPFIND / HTTP/1.1\r\nHost: h\r\ntraceparent: 00-nonsense\r\n\r\n"

            let! _ = running.Stop()
            ()
        })

    let server =
        receiver.Spans |> List.filter (fun span -> span.Kind = 2) |> List.exactlyOne

    Assert.Equal("", server.Parent)
    Assert.Equal("HTTP", server.Name)
    Assert.Equal("_OTHER", server.Attributes["http.request.method"])
    Assert.Equal("PROPFIND", server.Attributes["http.request.method_original"])
}

[<Fact>]
let ``metrics arrive, by the names of the conventions and of the exposition`` () = task {
    use! receiver = OtlpReceiver.Start()
    use backend = ScriptedBackend.Start ok

    do!
        Balancers.run (telling receiver) [ backend.Url ] (fun running -> task {
            let! _ = running.Get "/"
            let! _ = running.Stop()
            ()
        })

    for name in
        [
            "http.server.request.duration"
            "http.client.request.duration"
            "lb_requests"
            "lb_backend_up"
        ] do
        Assert.Contains(name, receiver.Metrics)
}

[<Fact>]
let ``off, it leaves traces as they come`` () =
    Balancers.withOne ok (fun backend running -> task {
        let! _ = running.Ask(traced 1 "01")

        Assert.Equal(Some $"00-{traceOf 1}-{clientSpan}-01", backend.Request |> Message.value "traceparent")
    })
