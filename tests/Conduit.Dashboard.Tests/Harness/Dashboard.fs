namespace Conduit.DashboardTests

open System
open System.Collections.Concurrent
open System.Diagnostics
open System.Threading.Tasks
open Microsoft.Playwright
open Xunit
open Conduit.SystemTests

/// An open dashboard, as a person uses it.
[<Sealed>]
type Dashboard(page: IPage, origin: string) =
    let complaints = ConcurrentQueue<string>()
    let strangers = ConcurrentQueue<string>()

    do
        page.Console.Add(fun message ->
            if message.Type = "error" || message.Type = "warning" then
                complaints.Enqueue message.Text)

        page.PageError.Add complaints.Enqueue

        page.Request.Add(fun request ->
            if not (request.Url.StartsWith(origin + "/")) then
                strangers.Enqueue request.Url)

    static let quoted (text: string) =
        text.Replace("\\", "\\\\").Replace("\"", "\\\"")

    member _.Page = page

    /// Opens a page of it: `` is the overview.
    member _.Open(route: string) : Task = task {
        let! _ = page.GotoAsync $"{origin}/#/{route}"
        return ()
    }

    /// The row of a backend.
    member _.Row(id: string) : ILocator =
        page
            .Locator(".grid .row")
            .Filter(LocatorFilterOptions(Has = page.Locator($".name a:text-is(\"{quoted id}\")")))

    member this.Cell(id, kind: string) : ILocator = this.Row(id).Locator $".{kind}"

    /// The word of a backend's state, as soon as the row is there.
    member this.State id : Task<string> =
        this.Cell(id, "state-cell").InnerTextAsync()

    /// How long it took until the row of a backend showed the state.
    member this.BecomesWithin(id, state: string, limit: TimeSpan) : Task<TimeSpan> = task {
        return!
            Eventually.holds $"{id} is shown as {state}" limit (fun () -> task {
                let! count = this.Row(id).CountAsync()

                if count = 0 then
                    return false
                else
                    let! shown = this.State id
                    return shown.Trim() = state
            })
    }

    member this.Becomes(id, state) : Task = task {
        let! _ = this.BecomesWithin(id, state, TimeSpan.FromSeconds 15.0)
        return ()
    }

    /// Waits until a text of the page is as it should be.
    member _.Shows(selector: string, what: string, isRight: string -> bool) : Task = task {
        let! _ =
            Eventually.holds what (TimeSpan.FromSeconds 15.0) (fun () -> task {
                let! texts = page.Locator(selector).AllInnerTextsAsync()
                return Seq.exists isRight texts
            })

        return ()
    }

    /// Chooses from the menu of a backend's row.
    member this.Choose(id: string, action: string) : Task = task {
        do! this.Row(id).Locator("button").ClickAsync()
        do! page.Locator("#menu").GetByText(action, LocatorGetByTextOptions(Exact = true)).ClickAsync()
    }

    member _.Dialog = page.Locator "dialog[open]"

    /// Presses a button of the dialog.
    member this.Press(word: string) : Task =
        this.Dialog
            .GetByRole(AriaRole.Button, LocatorGetByRoleOptions(Name = word, Exact = true))
            .ClickAsync()

    /// Waits until the page says that it is live.
    member this.IsLive() : Task =
        this.Shows("#connection", "the page is live", (fun text -> text.Trim() = "Live"))

    /// No error in the console but those that the test expects, and no request to another host.
    member _.WasWellBehaved(expected: string list) =
        let unexpected =
            complaints
            |> Seq.filter (fun text -> not (expected |> List.exists text.Contains))

        Assert.Empty unexpected
        Assert.Empty strangers
