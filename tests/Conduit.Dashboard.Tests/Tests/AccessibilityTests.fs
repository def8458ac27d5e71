namespace Conduit.DashboardTests

open System
open System.Text.Json
open System.Threading.Tasks
open Microsoft.Playwright
open Xunit
open Conduit.SystemTests

/// axe-core finds nothing against WCAG 2.2 AA, on any page, in both themes.
[<Collection(BrowserCollection.name)>]
type AccessibilityTests(browser: Browser) =

    let rules =
        "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']"

    /// What axe says is wrong, a line each.
    let violations (page: IPage) : Task<string list> = task {
        let! _ = page.EvaluateAsync Packages.axe.Value

        let! found =
            page.EvaluateAsync<string>(
                $"axe.run(document, {{ runOnly: {rules} }}).then(result => JSON.stringify(result.violations))"
            )

        return [
            for violation in JsonDocument.Parse(found).RootElement.EnumerateArray() do
                let nodes = violation.GetProperty "nodes"
                $"""{violation.GetProperty "id"}: {nodes.[0].GetProperty "target"} {nodes.[0].GetProperty "failureSummary"}"""
        ]
    }

    /// axe is put into the page past its policy, which is tried elsewhere.
    let settings (scheme: ColorScheme) width height = {
        Scene.settings with
            Context =
                BrowserNewContextOptions(
                    ViewportSize = ViewportSize(Width = width, Height = height),
                    ColorScheme = Nullable scheme,
                    BypassCSP = true
                )
    }

    let look (dashboard: Dashboard) (what: string) : Task<string list> = task {
        let! found = violations dashboard.Page

        let! wide =
            dashboard.Page.EvaluateAsync<bool> "document.documentElement.scrollWidth > innerWidth"

        return [
            for violation in found do
                $"{what}: {violation}"
            if wide then
                $"{what}: it is wider than the screen"
        ]
    }

    let pages (scene: Scene) : Task<string list> = task {
        let dashboard = scene.Dashboard
        do! scene.Balancer.Patch("default", "app-2", """{"state":"draining"}""")
        do! scene.Balancer.Patch("default", "app-3", """{"state":"not-ready"}""")
        do! (scene.Backend "app-4").Kill()
        do! dashboard.Becomes("app-4", "down")
        let! overview = look dashboard "overview"
        do! dashboard.Row("app-1").Locator("button").ClickAsync()
        let! menu = look dashboard "menu"
        do! dashboard.Page.Keyboard.PressAsync "Escape"
        do! dashboard.Page.Locator("#add").ClickAsync()
        let! dialog = look dashboard "dialog"
        do! dashboard.Page.Keyboard.PressAsync "Escape"
        do! dashboard.Open "backends/default/app-4"
        do! dashboard.Shows("#backend .state", "the state", (fun text -> text.Trim() = "down"))
        let! backend = look dashboard "backend"
        do! dashboard.Open "events"
        do! dashboard.Shows("#event-list li", "an event", _.Contains("down"))
        let! events = look dashboard "events"
        do! dashboard.Open "config"
        do! dashboard.Shows("#config pre", "the configuration", _.Contains("strategy"))
        let! config = look dashboard "config"
        return overview @ menu @ dialog @ backend @ events @ config
    }

    [<Theory>]
    [<InlineData(false, 1440, 900)>]
    [<InlineData(true, 1440, 900)>]
    [<InlineData(false, 360, 740)>]
    [<InlineData(true, 390, 844)>]
    member _.``nothing hinders anybody``(isDark: bool, width: int, height: int) =
        let scheme = if isDark then ColorScheme.Dark else ColorScheme.Light

        let settings = {
            settings scheme width height with
                Backends = [ "app-1"; "app-2"; "app-3"; "app-4" ]
        }

        Scene.play browser settings (fun scene -> task {
            let! found = pages scene
            Assert.Equal<string list>([], found)
        })

    [<Fact>]
    member _.``nothing of what somebody without a token sees hinders anybody``() =
        let settings = {
            settings ColorScheme.Light 1440 900 with
                Admin = ", token: a-token-for-the-tests"
                Expected = [ "status of 401" ]
        }

        Scene.play browser settings (fun scene -> task {
            do! scene.Dashboard.Shows("dialog h2", "the question", (=) "A token is needed")
            let! found = look scene.Dashboard "token"
            Assert.Equal<string list>([], found)
        })
