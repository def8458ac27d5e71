namespace Conduit.DashboardTests

open Microsoft.Playwright
open Xunit
open Conduit.SystemTests

/// Reloading, and where the running state differs from the file.
[<Collection(BrowserCollection.name)>]
type ReloadTests(browser: Browser) =

    [<Fact>]
    member _.``a reload shows what it changes before it does``() =
        Scene.play browser Scene.settings (fun scene -> task {
            let dashboard = scene.Dashboard
            do! scene.Balancer.Patch("default", "app-1", """{"weight":5}""")
            do! dashboard.Open "config"
            do! dashboard.Shows("#config tbody tr", "the difference", _.Contains("app-1.weight"))
            scene.Balancer.Write(Scene.Pools("random", scene.Backends))
            do! dashboard.Page.Locator("#reload").ClickAsync()

            // The watch on the file may have been quicker than the click.
            do!
                dashboard.Shows(
                    "dialog",
                    "what it changes",
                    fun text ->
                        text.Contains "pool default: strategy changed"
                        || text.Contains "in force already"
                )

            do! dashboard.Press "Reload"

            do!
                dashboard.Shows(
                    "#notices .notice",
                    "that it is done",
                    _.Contains("The configuration is reloaded")
                )

            do! dashboard.Shows("#config pre", "the new strategy", _.Contains("strategy: random"))
        })

    [<Fact>]
    member _.``a file with a fault is shown with it, and cannot be reloaded``() =
        let settings = {
            Scene.settings with
                Expected = [ "status of 422" ]
        }

        Scene.play browser settings (fun scene -> task {
            let dashboard = scene.Dashboard
            do! dashboard.Open "config"
            scene.Balancer.Write "  default: { strategy: nonsense }\n"
            do! dashboard.Page.Locator("#reload").ClickAsync()
            do! dashboard.Shows("dialog", "that it cannot be", _.Contains("The file cannot take effect"))
            do! dashboard.Shows("dialog .faults li", "the place of the fault", _.Contains("conduit.yaml:4"))
            do! Assertions.Expect(dashboard.Dialog.GetByRole(AriaRole.Button)).ToHaveCountAsync 1
            do! dashboard.Press "Close"
            do! dashboard.Open ""
            do! dashboard.Shows("#refused", "that one was refused", _.Contains("A newer one was refused at"))
        })
