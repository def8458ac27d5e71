namespace Conduit.DashboardTests

open System.Threading.Tasks
open Microsoft.Playwright
open Xunit
open Conduit.SystemTests

/// Who may see, and who may change.
[<Collection(BrowserCollection.name)>]
type AccessTests(browser: Browser) =

    let token = "a-token-for-the-tests"

    let closed = {
        Scene.settings with
            Admin = $", token: {token}"
            Expected = [ "status of 401" ]
    }

    let give (dashboard: Dashboard) (text: string) : Task = task {
        do! dashboard.Dialog.Locator("[name=token]").FillAsync text
        do! dashboard.Press "Use it"
    }

    [<Fact>]
    member _.``a token is asked for, a wrong one is told, and the right one opens``() =
        Scene.play browser closed (fun scene -> task {
            let dashboard = scene.Dashboard
            do! dashboard.Shows("dialog h2", "the question", (=) "A token is needed")
            do! give dashboard "not-the-token-at-all"
            do! dashboard.Shows("dialog h2", "that it is wrong", (=) "The token is wrong")
            do! give dashboard token
            do! dashboard.IsLive()
            do! dashboard.Becomes("app-1", "ready")
            do! dashboard.Choose("app-1", "Drain")
            do! dashboard.Becomes("app-1", "draining")
        })

    [<Fact>]
    member _.``the token is kept for the tab, and nowhere else``() =
        Scene.play browser closed (fun scene -> task {
            let dashboard = scene.Dashboard
            do! give dashboard token
            do! dashboard.IsLive()
            let! _ = dashboard.Page.ReloadAsync()
            do! dashboard.IsLive()
            let! cookies = scene.Context.CookiesAsync()
            Assert.Empty cookies
            let! kept = dashboard.Page.EvaluateAsync<int> "localStorage.length"
            Assert.Equal(0, kept)
            let! page = scene.Context.NewPageAsync()
            let other = Dashboard(page, scene.Balancer.Admin)
            do! other.Open ""
            do! other.Shows("dialog h2", "the question", (=) "A token is needed")

            do! dashboard.Page.Locator("#forget-token").ClickAsync()
            do! dashboard.Shows("dialog h2", "the question", (=) "A token is needed")
        })

    [<Fact>]
    member _.``who gives no token is asked again only when asked for``() =
        Scene.play browser closed (fun scene -> task {
            let dashboard = scene.Dashboard
            do! dashboard.Press "Cancel"
            do! dashboard.Shows("#connection", "why there are no figures", (=) "A token is needed")
            // The page goes on trying; it asks nobody.
            do! dashboard.Page.WaitForTimeoutAsync 3000f
            do! Assertions.Expect(dashboard.Dialog).ToHaveCountAsync 0
            do! dashboard.Page.Locator("#give-token").ClickAsync()
            do! give dashboard token
            do! dashboard.IsLive()
        })

    [<Fact>]
    member _.``where nothing may be changed, nothing is offered``() =
        let settings = {
            Scene.settings with
                Admin = ", read_only: true"
        }

        Scene.play browser settings (fun scene -> task {
            let dashboard = scene.Dashboard
            do! dashboard.Becomes("app-1", "ready")
            do! dashboard.Shows("#read-only", "that it is read-only", (=) "Read-only")
            do! Assertions.Expect(dashboard.Page.Locator "#add").ToBeHiddenAsync()
            do! Assertions.Expect(dashboard.Row("app-1").Locator "button").ToBeHiddenAsync()
            do! dashboard.Open "backends/default/app-1"
            do! dashboard.Shows("#backend h1", "its name", (=) "app-1")
            do! Assertions.Expect(dashboard.Page.Locator "#backend .actions").ToBeHiddenAsync()
            do! dashboard.Open "config"
            do! Assertions.Expect(dashboard.Page.Locator "#reload").ToBeHiddenAsync()
        })
