namespace Conduit.DashboardTests

open System
open System.Globalization
open System.Threading.Tasks
open Xunit
open Conduit.SystemTests

/// The page shows what is, as it changes.
[<Collection(BrowserCollection.name)>]
type LiveTests(browser: Browser) =

    let number (text: string) =
        match Double.TryParse(text, NumberStyles.Any, CultureInfo.InvariantCulture) with
        | true, value -> value
        | _ -> 0.0

    /// How far the graph of a tile has been drawn.
    let drawn (dashboard: Dashboard) = task {
        let! line =
            dashboard.Page.Locator("#tile-requests path.line").First.GetAttributeAsync "d"

        return String.length (string line)
    }

    [<Fact>]
    member _.``figures and graphs move under load``() =
        Scene.play browser Scene.settings (fun scene -> task {
            let dashboard = scene.Dashboard
            do! dashboard.Becomes("app-1", "ready")

            use! _ =
                Task.FromResult(new Traffic(scene.Balancer.Traffic, TimeSpan.FromMilliseconds 15.0))

            do!
                dashboard.Shows(
                    "#tile-requests b",
                    "the rate of requests moves",
                    number >> (fun rate -> rate > 5.0)
                )

            do!
                dashboard.Shows(
                    ".grid .row .rate span:first-child",
                    "the backends' rates move",
                    number >> (fun rate -> rate > 2.0)
                )

            do! dashboard.Shows("#pools td.number", "the pool's latency is told", _.EndsWith(" ms"))
            do! dashboard.Shows(".grid .row .p99 span:first-child", "a latency is told", _.EndsWith(" ms"))
            let! before = drawn dashboard

            let! _ =
                Eventually.holds "the graph has grown" (TimeSpan.FromSeconds 15.0) (fun () -> task {
                    let! after = drawn dashboard
                    return after > before + 5
                })

            ()
        })

    [<Fact>]
    member _.``a backend that is killed is shown as down within two seconds, and as ready when it is back``
        ()
        =
        Scene.play browser Scene.settings (fun scene -> task {
            let dashboard = scene.Dashboard
            do! dashboard.Becomes("app-2", "ready")

            use! _ =
                Task.FromResult(new Traffic(scene.Balancer.Traffic, TimeSpan.FromMilliseconds 20.0))

            do! (scene.Backend "app-2").Kill()
            let! down = dashboard.BecomesWithin("app-2", "down", TimeSpan.FromSeconds 2.0)
            do! dashboard.Shows(".grid .row .reason", "why it failed", _.Contains("just now"))
            do! dashboard.Shows("#tile-backends b", "how many are available", (=) "1 of 2")
            do! (scene.Backend "app-2").Begin()
            let! up = dashboard.BecomesWithin("app-2", "ready", TimeSpan.FromSeconds 5.0)
            Assert.True(down < TimeSpan.FromSeconds 2.0, $"down after {down}, up after {up}")
            do! dashboard.Open "events"
            do! dashboard.Shows("#event-list li", "that it went down", _.Contains("app-2 down"))
            do! dashboard.Shows("#event-list li", "that it is back", _.Contains("app-2 up again"))
        })

    [<Fact>]
    member _.``a breaker that opens is shown, with what opened it, and so is that it has closed``() =
        Scene.play browser Scene.settings (fun scene -> task {
            let dashboard, backend = scene.Dashboard, scene.Backend "app-1"
            do! dashboard.Becomes("app-1", "ready")
            backend.Answers(503, TimeSpan.Zero)

            use! _ =
                Task.FromResult(new Traffic(scene.Balancer.Traffic, TimeSpan.FromMilliseconds 20.0))

            do! dashboard.Becomes("app-1", "breaker open")
            do! dashboard.Shows(".grid .row .reason", "what opened it", _.Contains("503"))
            backend.Answers(200, TimeSpan.Zero)
            do! dashboard.Becomes("app-1", "ready")
            do! dashboard.Open "events"
            do! dashboard.Shows("#event-list li", "that it opened", _.Contains("app-1 breaker open"))
            do! dashboard.Shows("#event-list li", "that it closed", _.Contains("app-1 breaker closed"))
        })

    [<Fact>]
    member _.``when Conduit is gone the figures are called old, and they go on when it is back``() =
        let settings = {
            Scene.settings with
                Expected = [ "net::ERR_" ]
        }

        Scene.play browser settings (fun scene -> task {
            let dashboard = scene.Dashboard
            do! dashboard.IsLive()
            do! scene.Balancer.Kill()
            do! dashboard.Shows("#age", "that the figures are old", _.EndsWith("s old"))
            do! dashboard.Shows("#connection", "that it connects again", (=) "No answer, reconnecting")
            do! scene.Balancer.Start()
            do! dashboard.IsLive()
            do! dashboard.Shows("#tile-config .detail", "the new process' uptime", _.StartsWith("Up "))
            do! dashboard.Becomes("app-1", "ready")
        })

    [<Fact>]
    member _.``the page of one backend has its figures and its history``() =
        Scene.play browser Scene.settings (fun scene -> task {
            let dashboard = scene.Dashboard
            do! scene.Balancer.Patch("default", "app-1", """{"weight":7}""")
            do! dashboard.Row("app-1").Locator("a").ClickAsync()
            do! dashboard.Shows("#backend h1", "its name", (=) "app-1")
            do! dashboard.Shows("#backend .facts dd", "its weight", (=) "7")
            do! dashboard.Shows("#backend .facts dd", "its last check", _.Contains("passed"))

            do!
                dashboard.Shows(
                    "#backend .events li",
                    "that its weight was set",
                    _.Contains("weight set to 7")
                )

            let! title = dashboard.Page.TitleAsync()
            Assert.Equal("app-1 · Conduit", title)
        })
