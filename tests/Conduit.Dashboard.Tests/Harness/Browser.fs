namespace Conduit.DashboardTests

open System
open System.Threading.Tasks
open Microsoft.Playwright
open Xunit
open Conduit.SystemTests

/// The Chromium of the system, started once for all tests.
[<Sealed>]
type Browser() =
    let mutable playwright: IPlaywright option = None
    let mutable browser: IBrowser option = None

    static let arguments = [
        "--no-sandbox"
        "--disable-gpu"
        "--disable-quic"
        "--no-first-run"
        "--disable-background-networking"
        "--disable-component-update"
        "--disable-sync"
    ]

    /// Started at the first use.
    member _.Get() : Task<IBrowser> = task {
        match browser with
        | Some running -> return running
        | None ->
            let! driver = Playwright.CreateAsync()
            playwright <- Some driver

            let! running =
                driver.Chromium.LaunchAsync(
                    BrowserTypeLaunchOptions(
                        ExecutablePath = Programs.path Programs.chromium,
                        Args = arguments
                    )
                )

            browser <- Some running
            return running
    }

    interface IAsyncLifetime with
        member _.InitializeAsync() = Task.CompletedTask

        member _.DisposeAsync() : Task = task {
            match browser with
            | Some running -> do! running.CloseAsync()
            | None -> ()

            playwright |> Option.iter _.Dispose()
        }

[<RequireQualifiedAccess>]
module BrowserCollection =

    /// All tests that use the browser, one after the other: they measure.
    [<Literal>]
    let name = "browser"

[<CollectionDefinition(BrowserCollection.name, DisableParallelization = true)>]
type BrowserCollectionDefinition() =
    interface ICollectionFixture<Browser>
