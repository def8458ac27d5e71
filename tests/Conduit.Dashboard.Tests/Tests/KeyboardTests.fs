namespace Conduit.DashboardTests

open Microsoft.Playwright
open Xunit
open Conduit.SystemTests

/// The page without a mouse.
[<Collection(BrowserCollection.name)>]
type KeyboardTests(browser: Browser) =

    let press (page: IPage) (keys: string list) = task {
        for key in keys do
            do! page.Keyboard.PressAsync key
    }

    let focused (page: IPage) =
        page.EvaluateAsync<string>
            "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"

    [<Fact>]
    member _.``a backend is drained with keys alone, and the focus comes back``() =
        Scene.play browser Scene.settings (fun scene -> task {
            let dashboard, page = scene.Dashboard, scene.Dashboard.Page
            do! dashboard.Becomes("app-1", "ready")
            do! page.Locator("#add").FocusAsync()
            // The head's buttons, then the name and the menu of the first row.
            let mutable steps = 0
            let mutable at = ""

            while at <> "Actions for app-1" && steps < 30 do
                do! press page [ "Tab" ]
                let! now = focused page
                at <- now
                steps <- steps + 1

            Assert.Equal("Actions for app-1", at)
            do! press page [ "Enter" ]
            let! first = focused page
            Assert.Equal("Mark ready", first)
            do! press page [ "Escape" ]
            let! back = focused page
            Assert.Equal("Actions for app-1", back)
            do! press page [ "Enter"; "ArrowDown"; "ArrowDown"; "Enter" ]
            do! dashboard.Becomes("app-1", "draining")
            let! back = focused page
            Assert.Equal("Actions for app-1", back)
        })

    [<Fact>]
    member _.``a column is sorted by with a key, and says so``() =
        Scene.play browser Scene.settings (fun scene -> task {
            let dashboard, page = scene.Dashboard, scene.Dashboard.Page
            do! dashboard.Becomes("app-2", "ready")

            let head =
                page.GetByRole(AriaRole.Columnheader, PageGetByRoleOptions(Name = "Backend"))

            do! head.Locator("button").FocusAsync()
            do! press page [ "Enter" ]
            do! Assertions.Expect(head).ToHaveAttributeAsync("aria-sort", "ascending")
            do! press page [ "Enter" ]
            do! Assertions.Expect(head).ToHaveAttributeAsync("aria-sort", "descending")
            let! first = page.Locator(".grid .row .name a").First.InnerTextAsync()
            Assert.Equal("app-2", first)
        })
