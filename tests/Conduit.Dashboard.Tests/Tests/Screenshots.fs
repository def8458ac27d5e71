namespace Conduit.DashboardTests

open System
open System.IO
open System.Threading.Tasks
open Microsoft.Playwright
open Xunit
open Conduit.SystemTests

/// The pictures of the documentation: `dotnet fsi build.fsx -- screenshots`.
[<Collection(BrowserCollection.name)>]
type Screenshots(browser: Browser) =

    let directory =
        match Environment.GetEnvironmentVariable "CONDUIT_SCREENSHOTS" with
        | null
        | "" -> Packages.repository "artifacts/screenshots"
        | given -> Packages.repository given

    let shoot (dashboard: Dashboard) (name: string) : Task = task {
        // The pointer is nowhere, and the newest frame is shown.
        do! dashboard.Page.Mouse.MoveAsync(0f, 0f)
        do! Task.Delay 1500

        let! _ =
            dashboard.Page.ScreenshotAsync(
                PageScreenshotOptions(Path = Path.Combine(directory, name + ".png"))
            )

        return ()
    }

    let options (scheme: ColorScheme) width height =
        BrowserNewContextOptions(
            ViewportSize = ViewportSize(Width = width, Height = height),
            ColorScheme = Nullable scheme,
            Locale = "en-GB"
        )

    let names = [
        "checkout-1"
        "checkout-2"
        "checkout-3"
        "catalog-1"
        "catalog-2"
        "search-1"
        "search-2"
        "search-3"
        "media-1"
        "media-2"
    ]

    let pools (backends: Backend list) =
        let pool name strategy (prefixes: string list) =
            Balancer.Pool(
                name,
                strategy,
                [
                    for backend in backends do
                        if prefixes |> List.exists (fun prefix -> backend.Id.StartsWith prefix) then
                            backend.Id, backend.Url, (if backend.Id.EndsWith "1" then 2 else 1)
                ]
            )

        pool "default" "least-connections" [ "checkout"; "catalog" ]
        + pool "search" "power-of-two-choices" [ "search" ]
        + pool "media" "weighted-round-robin" [ "media" ]
        + "routes:\n  - { path: /search/*, pool: search }\n  - { path: /media/*, pool: media }\n"

    /// Load that comes and goes, with a backend that fails for a while and others that are taken out.
    let live (scene: Scene) : Task<IAsyncDisposable list> = task {
        let balancer = scene.Balancer

        let load path (milliseconds: float) count = [
            for _ in 1..count ->
                new Traffic(balancer.Traffic + path, TimeSpan.FromMilliseconds milliseconds)
                :> IAsyncDisposable
        ]

        let steady = load "" 40.0 6 @ load "search/q" 60.0 4 @ load "media/x" 90.0 3

        for index, backend in List.indexed scene.Backends do
            backend.Answers(200, TimeSpan.FromMilliseconds(float (4 + 5 * index)))

        do! Task.Delay(TimeSpan.FromSeconds 50.0)
        let more = load "" 25.0 8
        do! Task.Delay(TimeSpan.FromSeconds 35.0)
        (scene.Backend "search-2").Answers(503, TimeSpan.FromMilliseconds 60.0)
        do! Task.Delay(TimeSpan.FromSeconds 20.0)
        (scene.Backend "search-2").Answers(200, TimeSpan.FromMilliseconds 25.0)

        for each in more do
            do! each.DisposeAsync()

        do! Task.Delay(TimeSpan.FromSeconds 30.0)
        do! balancer.Patch("default", "catalog-2", """{"state":"draining"}""")
        do! balancer.Patch("media", "media-2", """{"state":"not-ready","weight":3}""")
        do! (scene.Backend "checkout-3").Kill()
        do! Task.Delay(TimeSpan.FromSeconds 12.0)
        return steady
    }

    [<Fact>]
    [<Trait("Category", "Screenshots")>]
    member _.``the pictures of the documentation``() =
        let settings = { Scene.settings with Backends = names }

        Scene.play browser settings (fun scene -> task {
            Directory.CreateDirectory directory |> ignore
            scene.Balancer.Write(pools scene.Backends)
            do! scene.Dashboard.Shows("#pools th", "the pools", (=) "media")
            let! load = live scene
            do! shoot scene.Dashboard "dashboard"
            do! scene.Dashboard.Open "backends/search/search-2"
            do! scene.Dashboard.Shows("#backend h1", "its name", (=) "search-2")
            do! shoot scene.Dashboard "dashboard-backend"

            for name, options in
                [
                    "dashboard-dark", options ColorScheme.Dark 1440 900
                    "dashboard-phone", options ColorScheme.Light 390 844
                ] do
                let! context, dashboard = Scene.opened browser scene.Balancer.Admin options
                do! dashboard.Open ""
                do! dashboard.IsLive()
                do! shoot dashboard name
                do! context.CloseAsync()

            for each in load do
                do! each.DisposeAsync()
        })
