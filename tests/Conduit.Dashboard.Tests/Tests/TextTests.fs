namespace Conduit.DashboardTests

open System
open Microsoft.Playwright
open Xunit
open Conduit.SystemTests

/// What comes from outside is text.
[<Collection(BrowserCollection.name)>]
type TextTests(browser: Browser) =

    let hostile = "<img src=x onerror=\"document.title='owned'\">"
    let other = "a/b?c#d%2F&amp;'☃"

    [<Fact>]
    member _.``a name that looks like markup is shown as it is``() =
        let settings = {
            Scene.settings with
                Backends = [ hostile; other ]
        }

        Scene.play browser settings (fun scene -> task {
            let dashboard = scene.Dashboard

            for id in [ hostile; other ] do
                do! dashboard.Open ""
                do! dashboard.Becomes(id, "ready")
                do! dashboard.Choose(id, "Drain")
                do! dashboard.Becomes(id, "draining")
                do! dashboard.Shows("#notices .notice", "the notice", _.Contains($"{id} drains"))
                do! dashboard.Row(id).Locator("a").ClickAsync()
                do! dashboard.Shows("#backend h1", "the name", (=) id)
                do! dashboard.Shows("#backend .state", "the state", (fun text -> text.Trim() = "draining"))
                do! dashboard.Open "events"
                do! dashboard.Shows("#event-list li", "the event", _.Contains($"{id} set to draining"))
                do! dashboard.Open "config"
                do! dashboard.Shows("#config pre", "the configuration", _.Contains(id))

            let! images = dashboard.Page.Locator("main img").CountAsync()
            Assert.Equal(0, images)
            let! title = dashboard.Page.TitleAsync()
            Assert.DoesNotContain("owned", title)
        })
