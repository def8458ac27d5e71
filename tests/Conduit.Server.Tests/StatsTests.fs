module Conduit.Server.Tests.StatsTests

open System
open System.Net.Http
open System.Text.Json
open System.Threading.Tasks
open Xunit
open Conduit.Server

let private withStats path (settings: Settings) =
    Balancers.withAdmin { settings with StatsPath = path }

/// A backend that says how much memory it uses.
let private backend: Script =
    Script.answering (fun request ->
        match Message.target request with
        | "/health" -> Script.ok """{"memory_usage":1572864}"""
        | target -> Script.ok target)

let private read (url: string) : Task<JsonElement> = task {
    use client = new HttpClient()
    use! response = client.GetAsync url
    Assert.StartsWith("application/json", string response.Content.Headers.ContentType)
    let! text = response.Content.ReadAsStringAsync()
    return JsonDocument.Parse(text).RootElement
}

let private isRight (backend: ScriptedBackend) inFlight (stats: JsonElement) =
    let one = Assert.Single(stats.EnumerateArray())

    Assert.Equal<string list>(
        [ "url"; "alive"; "uptime"; "memory_usage"; "conn_count"; "recent" ],
        [ for property in one.EnumerateObject() -> property.Name ]
    )

    Assert.Equal(backend.Url, one.GetProperty("url").GetString())
    Assert.True(one.GetProperty("alive").GetBoolean())
    Assert.Matches("^00h:00m:[0-5][0-9]s$", one.GetProperty("uptime").GetString())
    Assert.Equal("1.50 MB", one.GetProperty("memory_usage").GetString())
    Assert.Equal(inFlight, one.GetProperty("conn_count").GetInt32())

[<Fact>]
let ``The admin port has the statistics, and the traffic port has none unless asked`` () =
    Balancers.withOneAnd (withStats None) backend (fun backend running -> task {
        let! stats = read $"{running.AdminUrl}/stats"
        isRight backend 0 stats

        for path in [ "/stats"; "/metrics"; "/livez"; "/readyz"; "/healthz"; "/api/v1" ] do
            let! response = running.Get path
            Assert.Equal(path, Message.text response)
    })

[<Fact>]
let ``The traffic port has them where it is asked to, and nowhere else`` () =
    Balancers.withOneAnd (withStats (Some "/my/stats")) backend (fun backend running -> task {
        let! stats = read $"{running.Url}/my/stats"
        isRight backend 0 stats
        let! stats = read $"{running.Url}/my/stats?x=1"
        isRight backend 0 stats

        for path in [ "/my/stats/"; "/my"; "/stats"; "//my/stats"; "/my%2Fstats"; "/?/my/stats" ] do
            let! response = running.Get path
            Assert.Equal(path, Message.text response)
    })

[<Fact>]
let ``A backend that is down says so, and has neither uptime nor memory`` () = task {
    use refusing = new RefusingPort()

    do!
        Balancers.runWith (Balancers.withAdmin (Balancers.settings [ refusing.Url ])) (fun running -> task {
            do!
                Eventually.holds "it is down" (fun () ->
                    not (Conduit.Backend.isAvailable running.Backends[0]))

            let! stats = read $"{running.AdminUrl}/stats"
            let one = Assert.Single(stats.EnumerateArray())
            Assert.False(one.GetProperty("alive").GetBoolean())
            Assert.Equal("00h:00m:00s", one.GetProperty("uptime").GetString())
            Assert.Equal("0 B", one.GetProperty("memory_usage").GetString())
        })
}

[<Fact>]
let ``Requests in flight are counted, those for the statistics are not`` () =
    let script =
        Script.once (fun connection request ->
            if Message.target request = "/health" then
                connection.Send(Script.ok """{"memory_usage":1572864}""")
            else
                connection.Left())

    Balancers.withOneAnd (withStats (Some "/stats")) script (fun backend running -> task {
        use! client = running.Connect()
        do! client.Send "GET /wait HTTP/1.1\r\nHost: conduit.test\r\n\r\n"
        do! Eventually.holds "the request is in flight" (fun () -> running.InFlight = 1)
        let! stats = read $"{running.AdminUrl}/stats"
        isRight backend 1 stats
        let! stats = read $"{running.Url}/stats"
        isRight backend 1 stats
    })

[<Theory>]
[<InlineData "not json">]
[<InlineData "[]">]
[<InlineData "{}">]
[<InlineData """{"memory_usage":"much"}""">]
[<InlineData """{"memory_usage":1e400}""">]
let ``A backend that tells no memory has none`` (answer: string) =
    Balancers.withOneAnd (withStats None) (Script.always (Script.ok answer)) (fun _ running -> task {
        let! stats = read $"{running.AdminUrl}/stats"
        let one = Assert.Single(stats.EnumerateArray())
        Assert.Equal("0 B", one.GetProperty("memory_usage").GetString())
    })

[<Fact>]
let ``What a backend said is forgotten when nobody asks for it any more`` () = task {
    use stays = ScriptedBackend.Start backend
    use leaves = ScriptedBackend.Start backend
    let seconds = ref 0.0

    use usage =
        new MemoryUsage(fun () -> Conduit.Instant.ofElapsed (TimeSpan.FromSeconds seconds.Value))

    let url (backend: ScriptedBackend) =
        match Conduit.BackendUrl.parse "test" backend.Url with
        | Ok url -> url
        | Error fault -> failwith (Conduit.Fault.render fault)

    let told: Task = task {
        // A backend that is slow to answer is asked again some seconds later.
        while usage.Of(url stays) = 0L || usage.Of(url leaves) = 0L do
            seconds.Value <- seconds.Value + 10.0
            do! usage.Refresh [ url stays; url leaves ]
    }

    do! told.WaitAsync Eventually.patience
    do! usage.Refresh [ url stays ]
    Assert.Equal((1572864L, 0L), (usage.Of(url stays), usage.Of(url leaves)))
}

[<Fact>]
let ``Uptime counts hours on, memory has a unit`` () =
    Assert.Equal("00h:00m:59s", Stats.uptime (TimeSpan.FromSeconds 59.9))
    Assert.Equal("123h:04m:05s", Stats.uptime (TimeSpan(5, 3, 4, 5)))
    Assert.Equal("1023 B", Stats.memory 1023L)
    Assert.Equal("1.00 KB", Stats.memory 1024L)
    Assert.Equal("3.25 MB", Stats.memory (3407872L))

[<Fact>]
let ``healthz tells how many backends can take requests`` () = task {
    use refusing = new RefusingPort()
    use up = ScriptedBackend.Start backend

    let ask (running: Running) = task {
        use client = new HttpClient()
        use! response = client.GetAsync $"{running.AdminUrl}/healthz"
        let! text = response.Content.ReadAsStringAsync()
        let health = JsonDocument.Parse(text).RootElement
        return int response.StatusCode, string (health.GetProperty "status")
    }

    for urls, expected in
        [
            [ up.Url ], (200, "ok")
            [ up.Url; refusing.Url ], (200, "degraded")
            [ refusing.Url ], (503, "down")
        ] do
        do!
            Balancers.runWith (Balancers.withAdmin (Balancers.settings urls)) (fun running -> task {
                do!
                    Eventually.holds "the first checks are done" (fun () ->
                        running.Backends
                        |> Array.forall (fun backend -> backend.Health <> Conduit.Health.Unproven))

                let! seen = ask running
                Assert.Equal(expected, seen)
            })
}
