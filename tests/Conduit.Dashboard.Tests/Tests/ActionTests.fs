namespace Conduit.DashboardTests

open System
open System.Threading.Tasks
open Microsoft.Playwright
open Xunit
open Conduit.SystemTests

/// What is done on the page is done at the backends.
[<Collection(BrowserCollection.name)>]
type ActionTests(browser: Browser) =

    /// How many of these requests each backend of the scene gets.
    let shares (scene: Scene) (requests: int) = task {
        let before = scene.Backends |> List.map _.Requests
        do! Traffic.Burst(scene.Balancer.Traffic, requests)
        return List.map2 (fun (backend: Backend) before -> backend.Requests - before) scene.Backends before
    }

    let noted (dashboard: Dashboard) (text: string) =
        dashboard.Shows("#notices .notice", $"the notice '{text}'", _.Contains(text))

    [<Fact>]
    member _.``a backend that is not ready gets no requests, and gets them again when it is``() =
        Scene.play browser Scene.settings (fun scene -> task {
            let dashboard = scene.Dashboard
            do! dashboard.Becomes("app-1", "ready")
            let! both = shares scene 20
            Assert.Equal<int list>([ 10; 10 ], both)
            do! dashboard.Choose("app-1", "Mark not ready")
            do! noted dashboard "app-1 is not ready"
            do! dashboard.Becomes("app-1", "not ready")
            let! one = shares scene 20
            Assert.Equal<int list>([ 0; 20 ], one)
            do! dashboard.Choose("app-1", "Mark ready")
            do! dashboard.Becomes("app-1", "ready")
            let! both = shares scene 20
            Assert.Equal<int list>([ 10; 10 ], both)
        })

    [<Fact>]
    member _.``draining and disabling are shown in words``() =
        Scene.play browser Scene.settings (fun scene -> task {
            let dashboard = scene.Dashboard
            do! dashboard.Choose("app-2", "Drain")
            do! dashboard.Becomes("app-2", "draining")
            do! dashboard.Choose("app-1", "Disable")
            do! dashboard.Becomes("app-1", "disabled")
            do! dashboard.Shows("#tile-backends b", "none is available", (=) "0 of 2")
        })

    [<Fact>]
    member _.``a weight shifts the traffic``() =
        let settings = {
            Scene.settings with
                Strategy = "weighted-round-robin"
        }

        Scene.play browser settings (fun scene -> task {
            let dashboard = scene.Dashboard
            do! dashboard.Choose("app-1", "Set weight…")
            do! dashboard.Dialog.Locator("input").FillAsync "4"
            do! dashboard.Press "Set weight"
            do! noted dashboard "The weight of app-1 is set"
            do! dashboard.Shows(".grid .row .weight", "the new weight", (=) "4")
            let! shifted = shares scene 50
            Assert.Equal<int list>([ 40; 10 ], shifted)
        })

    [<Fact>]
    member _.``a backend is added, and removed only after a question``() =
        Scene.play browser Scene.settings (fun scene -> task {
            let dashboard = scene.Dashboard
            let! added = Backend.Start "app-9"
            use added = added
            do! dashboard.Page.Locator("#add").ClickAsync()
            do! dashboard.Dialog.Locator("[name=url]").FillAsync added.Url
            do! dashboard.Dialog.Locator("[name=id]").FillAsync "app-9"
            do! dashboard.Press "Add"
            do! dashboard.Becomes("app-9", "ready")
            do! Traffic.Burst(scene.Balancer.Traffic, 9)
            Assert.Equal(3, added.Requests)

            do! dashboard.Choose("app-9", "Remove…")
            do! dashboard.Press "Cancel"
            do! Assertions.Expect(dashboard.Row "app-9").ToHaveCountAsync 1
            do! dashboard.Choose("app-9", "Remove…")
            do! dashboard.Press "Remove"
            do! Assertions.Expect(dashboard.Row "app-9").ToHaveCountAsync 0
            do! Traffic.Burst(scene.Balancer.Traffic, 9)
            Assert.Equal(3, added.Requests)
        })

    [<Fact>]
    member _.``what is wrong with an addition is shown, and nothing is lost``() =
        let settings = {
            Scene.settings with
                Expected = [ "status of 422" ]
        }

        Scene.play browser settings (fun scene -> task {
            let dashboard = scene.Dashboard
            do! dashboard.Page.Locator("#add").ClickAsync()
            do! dashboard.Dialog.Locator("[name=url]").FillAsync "ftp://x"
            do! dashboard.Press "Add"
            do! dashboard.Shows("dialog .problem", "the problem", _.Contains("What is asked for cannot be"))
            do! dashboard.Shows("dialog .faults li", "the fault", _.StartsWith("url"))
            let! url = dashboard.Dialog.Locator("[name=url]").InputValueAsync()
            Assert.Equal("ftp://x", url)
        })

    [<Fact>]
    member _.``a change of what has changed in the meantime is refused``() =
        let settings = {
            Scene.settings with
                Expected = [ "status of 412" ]
        }

        Scene.play browser settings (fun scene -> task {
            let dashboard = scene.Dashboard
            do! dashboard.Choose("app-1", "Set weight…")
            do! scene.Balancer.Patch("default", "app-1", """{"weight":9}""")
            do! dashboard.Dialog.Locator("input").FillAsync "4"
            do! dashboard.Press "Set weight"

            do!
                dashboard.Shows(
                    "dialog .problem",
                    "the problem",
                    _.Contains("It has changed in the meantime")
                )

            do! dashboard.Press "Cancel"
            do! dashboard.Shows(".grid .row .weight", "the other's weight", (=) "9")
        })
