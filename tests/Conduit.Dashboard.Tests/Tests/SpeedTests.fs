namespace Conduit.DashboardTests

open System
open System.Diagnostics
open System.IO
open System.Net.Http
open System.Threading.Tasks
open Microsoft.Playwright
open Xunit
open Xunit.Abstractions
open Conduit.SystemTests

/// The page is there at once, and stays quick with many backends.
[<Collection(BrowserCollection.name)>]
type SpeedTests(browser: Browser, output: ITestOutputHelper) =

    let firstPaint (page: IPage) =
        page.EvaluateAsync<float>
            "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 1e9"

    /// A dashboard that has its first frame.
    let join (client: HttpClient) (url: string) = task {
        let! answer = client.GetAsync(url, HttpCompletionOption.ResponseHeadersRead)
        let! stream = answer.Content.ReadAsStreamAsync()
        let reader = new StreamReader(stream)
        let! _ = reader.ReadLineAsync()
        return reader
    }

    /// The numbers of the next frames that a dashboard is sent.
    let follow (frames: int) (reader: StreamReader) = task {
        let numbers = ResizeArray<int>()

        while numbers.Count < frames do
            let! line = reader.ReadLineAsync()

            match line with
            | null -> failwith "the stream has ended"
            | line when line.StartsWith "id: " -> numbers.Add(int (line.Substring 4))
            | _ -> ()

        return List.ofSeq numbers
    }

    /// So many backends that nobody listens for: they are down.
    let many count =
        Balancer.Pool(
            "many",
            "round-robin",
            [ for index in 1..count -> $"b-{index:D3}", $"http://127.0.0.1:1/{index}", 1 ]
        )

    [<Fact>]
    member _.``the first paint is within half a second``() =
        Scene.play browser Scene.settings (fun scene -> task {
            do! scene.Dashboard.IsLive()

            // Each in a context of its own, with nothing in its cache.
            let! paints = task {
                let paints = ResizeArray()

                for _ in 1..3 do
                    let! context, dashboard =
                        Scene.opened browser scene.Balancer.Admin Scene.settings.Context

                    do! dashboard.Open ""
                    do! dashboard.IsLive()
                    let! paint = firstPaint dashboard.Page
                    paints.Add paint
                    do! context.CloseAsync()

                return List.ofSeq paints
            }

            output.WriteLine $"first contentful paint: {paints} ms"
            Assert.InRange(List.sort paints |> List.item 1, 0.0, 500.0)
        })

    [<Fact>]
    member _.``a hundred dashboards are sent the same frames, which cost little``() =
        Scene.play browser Scene.settings (fun scene -> task {
            use client = new HttpClient()
            let url = $"{scene.Balancer.Admin}/api/v1/live"
            let! dashboards = [ for _ in 1..100 -> join client url ] |> Task.WhenAll
            // The program has compiled what it needs for them by then.
            let! _ = dashboards |> Array.map (follow 6) |> Task.WhenAll
            let before, clock = scene.Balancer.ProcessorTime, Stopwatch.StartNew()
            let! seen = dashboards |> Array.map (follow 5) |> Task.WhenAll
            let share = (scene.Balancer.ProcessorTime - before) / clock.Elapsed
            output.WriteLine $"a hundred dashboards: {share:P1} of a processor"

            // Nobody was sent a frame of their own.
            let distinct = seen |> Seq.concat |> Seq.distinct |> Seq.length
            Assert.InRange(distinct, 5, 8)
            Assert.InRange(share, 0.0, 0.5)

            for dashboard in dashboards do
                dashboard.Dispose()
        })

    [<Fact>]
    member _.``of 500 backends only the rows in sight are in the page, which changes once a second``() =
        Scene.play browser Scene.settings (fun scene -> task {
            let dashboard, page = scene.Dashboard, scene.Dashboard.Page
            scene.Balancer.Write(Scene.Pools("round-robin", scene.Backends) + many 500)
            do! dashboard.Shows("#shown", "all backends", (=) "502 backends")

            use! _ =
                Task.FromResult(new Traffic(scene.Balancer.Traffic, TimeSpan.FromMilliseconds 10.0))

            let! rows = page.Locator(".grid .row").CountAsync()
            Assert.InRange(rows, 10, 60)

            // Bursts of changes that are a frame or more apart.
            let! bursts =
                page.EvaluateAsync<int>
                    """new Promise(resolve => {
                        let bursts = 0, last = 0
                        const observer = new MutationObserver(() => {
                            const now = performance.now()
                            if (now - last > 200) bursts++
                            last = now
                        })
                        observer.observe(document.querySelector('main'),
                            { subtree: true, childList: true, attributes: true, characterData: true })
                        setTimeout(() => { observer.disconnect(); resolve(bursts) }, 6000)
                    })"""

            Assert.InRange(bursts, 4, 8)

            do! page.Locator("#filter-text").FillAsync "b-499"
            do! dashboard.Shows("#shown", "the one that is left", (=) "1 of 502 backends")
            do! Assertions.Expect(dashboard.Row "b-499").ToHaveCountAsync 1
            do! page.Locator("#filter-text").FillAsync ""
            do! page.Locator("#filter-state").SelectOptionAsync "ready" :> Task
            do! dashboard.Shows("#shown", "those that are ready", (=) "2 of 502 backends")
            do! page.Locator("#filter-state").SelectOptionAsync "" :> Task
            do! dashboard.Shows("#shown", "all backends", (=) "502 backends")
            let! _ = page.EvaluateAsync "scrollTo(0, document.body.scrollHeight)"
            do! Assertions.Expect(dashboard.Row "app-2").ToBeVisibleAsync()
            let! rows = page.Locator(".grid .row").CountAsync()
            Assert.InRange(rows, 10, 60)
        })
