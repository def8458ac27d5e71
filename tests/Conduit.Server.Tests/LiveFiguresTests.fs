module Conduit.Server.Tests.LiveFiguresTests

open System
open System.Text.Json
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

let private ports = AdminPorts.defaultPool >> AdminPorts.ports

let private targets (ports: ControlPorts) =
    ports.Agent.Current.Pools |> Array.collect _.Targets

/// One try at a backend that took so many milliseconds and ended so.
let private serve (target: Target) outcome (milliseconds: float) =
    target.Gauge.Acquire()
    Lease.settle ignore outcome (TimeSpan.FromMilliseconds milliseconds) target

let private seconds = TimeSpan.FromSeconds: float -> TimeSpan

let private milliseconds (latency: TimeSpan option) =
    latency |> Option.map (fun latency -> Math.Round latency.TotalMilliseconds)

[<Fact>]
let ``figures are those of the backend, of its pool and of all`` () =
    let ports = ports [ "http://h:1;id=a"; "http://h:2;id=b" ]
    let a, b = (targets ports)[0], (targets ports)[1]
    ports.Figures.Read(seconds 1.0)

    for took in 1..90 do
        serve a (Outcome.Answered 200) (float took)

    for _ in 1..6 do
        serve a (Outcome.Answered 503) 100.0

    for _ in 1..4 do
        serve a (Outcome.Reset "gone") 100.0

    serve b (Outcome.ConnectFailed "refused") 1.0
    ports.Figures.Read(seconds 2.0)

    let one = (ports.Figures.Backend a).TenSeconds
    Assert.Equal(seconds 2.0, one.Span)
    Assert.Equal(50.0, Figures.requestsPerSecond one)
    Assert.Equal(5.0, Figures.errorsPerSecond one)
    Assert.Equal(Some 0.1, Figures.errorRatio one)

    Assert.InRange(
        Figures.latency 0.5 one,
        Some(TimeSpan.FromMilliseconds 48.0),
        Some(TimeSpan.FromMilliseconds 54.0)
    )

    Assert.Equal(Some 1.0, Figures.errorRatio (ports.Figures.Backend b).OneMinute)

    for all in [ ports.Figures.Pool a.Pool; ports.Figures.Overall ] do
        Assert.Equal(50.5, Figures.requestsPerSecond all.FiveMinutes)
        Assert.Equal(Some(11.0 / 101.0), Figures.errorRatio all.FiveMinutes)

[<Fact>]
let ``a window forgets, the longer ones later`` () =
    let ports = ports [ "http://h:1;id=a" ]
    let target = (targets ports)[0]
    serve target (Outcome.Answered 200) 1.0
    let mutable now = 0.0

    let readUntil last =
        while now < last do
            now <- now + 1.0
            ports.Figures.Read(seconds now)

    let seen () =
        let recent = ports.Figures.Backend target

        [ recent.TenSeconds; recent.OneMinute; recent.FiveMinutes ]
        |> List.map _.Sample.Requests

    readUntil 10.0
    Assert.Equal<int64 list>([ 1L; 1L; 1L ], seen ())
    readUntil 11.0
    Assert.Equal<int64 list>([ 0L; 1L; 1L ], seen ())
    readUntil 61.0
    Assert.Equal<int64 list>([ 0L; 0L; 1L ], seen ())
    readUntil 301.0
    Assert.Equal<int64 list>([ 0L; 0L; 0L ], seen ())

[<Fact>]
let ``the history has a point for each five seconds of the last quarter of an hour`` () =
    let ports = ports [ "http://h:1;id=a" ]
    let target = (targets ports)[0]

    for second in 1 .. 20 * 60 do
        if second > 19 * 60 then
            serve target (Outcome.Answered 500) 8.0

        ports.Figures.Read(seconds (float second + 0.01))

    let history = ports.Figures.History
    Assert.Equal(180, history.Length)
    Assert.Equal(0.0, Figures.requestsPerSecond history[0].Figures)

    Assert.Equal(
        12,
        history
        |> Array.filter (fun point -> point.Figures.Sample.Requests = 5L)
        |> Array.length
    )

    Assert.Equal(1.0, Figures.requestsPerSecond history[179].Figures)
    Assert.Equal(Some 1.0, Figures.errorRatio history[179].Figures)
    Assert.Equal(Some 8.0, milliseconds (Figures.latency 0.99 history[179].Figures))

[<Fact>]
let ``a backend has a history of its own, from its first request on`` () =
    AdminPorts.run [ "http://h:1;id=a"; "http://h:2;id=b" ] (fun port -> task {
        let a = port.Target "a"

        for second in 1..2000 do
            if second > 1000 then
                serve a (Outcome.Answered 200) 8.0

            if second > 1990 then
                serve a (Outcome.Answered 500) 8.0

            port.Ports.Figures.Read(seconds (float second + 0.01))

        let! whole = port.Get(AdminPorts.path "a" + "/history")
        let points = whole.Json.GetProperty("points").EnumerateArray() |> Seq.toArray
        Assert.Equal(180, points.Length)
        Assert.Equal(1.0, points[0].GetProperty("requests_per_second").GetDouble())
        Assert.Equal(0.0, points[0].GetProperty("error_ratio").GetDouble())
        Assert.Equal(2.0, points[179].GetProperty("requests_per_second").GetDouble())
        Assert.Equal(0.5, points[179].GetProperty("error_ratio").GetDouble())
        Assert.Equal(0, points[179].GetProperty("in_flight").GetInt32())

        Assert.Equal(
            points[0].GetProperty("p99_ms").GetDouble(),
            points[179].GetProperty("p99_ms").GetDouble()
        )

        let! none = port.Get(AdminPorts.path "b" + "/history")
        Assert.Empty(none.Json.GetProperty("points").EnumerateArray())

        let! trends = port.Get "/api/v1/overview/trends"
        let trend = Assert.Single(trends.Json.GetProperty("trends").EnumerateArray())
        Assert.Equal("a", trend.GetProperty("id").GetString())

        let rates =
            trend.GetProperty("requests_per_second").EnumerateArray()
            |> Seq.map _.GetDouble()
            |> Seq.toList

        Assert.Equal<float list>(List.replicate 58 1.0 @ [ 2.0; 2.0 ], rates)
    })

[<Fact>]
let ``a history of one backend is as old as its first request`` () =
    let ports = ports [ "http://h:1;id=a" ]
    let target = (targets ports)[0]

    for second in 1..20 do
        if second = 12 then
            serve target (Outcome.Answered 200) 8.0

        ports.Figures.Read(seconds (float second + 0.01))

    let course = ports.Figures.Course(target, 10)
    let rates = course |> Array.map (fun (struct (_, step)) -> step.RequestsPerSecond)
    Assert.Equal<float32[]>([| 0.2f; 0.0f |], rates)

    Assert.True(
        course
        |> Array.forall (fun (struct (_, step)) -> Single.IsNaN step.P50 = (step.RequestsPerSecond = 0.0f))
    )

[<Fact>]
let ``what a removed backend still has in flight is counted`` () = task {
    let ports = ports [ "http://h:1;id=a" ]
    let target = (targets ports)[0]
    target.Gauge.Acquire()
    ports.Figures.Read(seconds 1.0)

    let! _ =
        ports.Agent.Update [ Event.InPool(target.Pool, PoolEvent.Removed target.Backend.Spec.Id) ]

    ports.Figures.Read(seconds 2.0)
    Lease.settle ignore (Outcome.Answered 500) (seconds 1.0) target
    ports.Figures.Read(seconds 3.0)
    let figures = ports.Figures.Overall.TenSeconds
    Assert.Equal(1L, figures.Sample.Requests)
    Assert.Equal(1L, figures.Sample.Errors)
    ports.Figures.Read(seconds 4.0)
    ports.Figures.Read(seconds 5.0)
    // Forgotten by now.
    Assert.Equal(Trail.over Window.OneMinute 4L Trail.empty, (ports.Figures.Backend target).OneMinute)
}

[<Fact>]
let ``a late reading counts for the time that it covers`` () =
    let ports = ports [ "http://h:1;id=a" ]
    let target = (targets ports)[0]
    ports.Figures.Read(seconds 1.0)

    for _ in 1..40 do
        serve target (Outcome.Answered 200) 1.0

    ports.Figures.Read(seconds 5.2)
    Assert.Equal(8.0, Figures.requestsPerSecond (ports.Figures.Backend target).TenSeconds)

[<Fact>]
let ``the API tells figures, instants and what happened`` () =
    AdminPorts.run [ "http://h:1;id=a" ] (fun port -> task {
        let target = port.Target "a"
        let noon = DateTimeOffset(2026, 11, 20, 12, 0, 0, TimeSpan.Zero)
        let! answer = port.Get(AdminPorts.path "a")

        for name in [ "last_failure"; "last_failure_at"; "last_check_at"; "last_check_passed" ] do
            Assert.Equal(JsonValueKind.Null, (answer.Json.GetProperty name).ValueKind)

        serve target (Outcome.Answered 502) 4.0
        port.Ports.Figures.Read(seconds 5.0)

        let! _ =
            port.Ports.Agent.Update [
                Event.InPool(target.Pool, PoolEvent.Checked(target.Backend.Spec.Id, None))
                Event.InPool(
                    target.Pool,
                    PoolEvent.Traffic(target.Backend.Spec.Id, 0, Evidence.Failed "reset")
                )
            ]

        let! answer = port.Get(AdminPorts.path "a")
        Assert.Equal("reset", answer.Json.GetProperty("last_failure").GetString())
        Assert.Equal(noon, answer.Json.GetProperty("last_failure_at").GetDateTimeOffset())
        Assert.Equal(noon, answer.Json.GetProperty("last_check_at").GetDateTimeOffset())
        Assert.True(answer.Json.GetProperty("last_check_passed").GetBoolean())
        let recent = answer.Json.GetProperty("recent").GetProperty "10s"
        Assert.Equal(0.2, recent.GetProperty("requests_per_second").GetDouble())
        Assert.Equal(0.2, recent.GetProperty("errors_per_second").GetDouble())
        Assert.Equal(1.0, recent.GetProperty("error_ratio").GetDouble())
        Assert.InRange(recent.GetProperty("latency_ms").GetProperty("p99_9").GetDouble(), 4.0, 4.5)

        for path, part in [ "/api/v1/pools/default", "recent"; "/api/v1/overview", "recent" ] do
            let! answer = port.Get path

            Assert.Equal(
                0.2,
                answer.Json
                    .GetProperty(part)
                    .GetProperty("5m")
                    .GetProperty("requests_per_second")
                    .GetDouble()
            )

        let! history = port.Get "/api/v1/overview/history"
        let point = Assert.Single(history.Json.GetProperty("points").EnumerateArray())
        Assert.Equal(1.0, point.GetProperty("error_ratio").GetDouble())

        for name in [ "one"; "two"; "three" ] do
            port.Ports.Events.Publish(ControlEvent.Reloaded { Version = 2; Changes = [ name ] })

        let! events = port.Get "/api/v1/events/history?limit=2"

        Assert.Equal<int64 list>(
            [ 2L; 3L ],
            [
                for event in events.Json.GetProperty("events").EnumerateArray() ->
                    event.GetProperty("number").GetInt64()
            ]
        )
    })

[<Fact>]
let ``only so many events are remembered`` () =
    let events = ControlEvents TimeProvider.System

    for _ in 1 .. ControlEvents.Kept + 7 do
        events.Publish ControlEvent.Stopping

    Assert.Equal(ControlEvents.Kept, events.Past.Length)
    Assert.Equal(8L, events.Past[0].Number)

[<Fact>]
let ``a running balancer takes its figures by itself`` () =
    Balancers.withOneAnd Balancers.withAdmin (Script.always (Script.ok "hello")) (fun _ running -> task {
        let! _ = running.Get "/"

        do!
            Eventually.holds "the request is in the figures" (fun () ->
                running.Balancer.Figures.Overall.TenSeconds.Sample.Requests = 1L)
    })
