namespace Conduit.DashboardTests

open System
open System.Threading.Tasks
open Microsoft.Playwright
open Conduit.SystemTests

/// What a test begins with.
type SceneSettings = {
    /// Names of the backends of the pool `default`; each is a real one.
    Backends: string list
    Strategy: string
    /// Further keys of the section `admin`, each after a comma.
    Admin: string
    /// What the console may complain of.
    Expected: string list
    Context: BrowserNewContextOptions
}

/// A browser at the dashboard of a real Conduit between real backends.
[<Sealed>]
type Scene(dashboard: Dashboard, balancer: Balancer, backends: Backend list, context: IBrowserContext) =

    member _.Dashboard = dashboard
    member _.Balancer = balancer
    member _.Backends = backends
    member _.Context = context

    member _.Backend id =
        backends |> List.find (fun backend -> backend.Id = id)

    /// The file's pools for these backends.
    static member Pools(strategy, backends: Backend seq) =
        Balancer.Pool("default", strategy, [ for backend in backends -> backend.Id, backend.Url, 1 ])

[<RequireQualifiedAccess>]
module Scene =

    let settings = {
        Backends = [ "app-1"; "app-2" ]
        Strategy = "round-robin"
        Admin = ""
        Expected = []
        Context =
            BrowserNewContextOptions(
                ViewportSize = ViewportSize(Width = 1440, Height = 900),
                Locale = "en-GB"
            )
    }

    /// A further page in a context of its own.
    let opened (browser: Browser) (origin: string) (options: BrowserNewContextOptions) = task {
        let! running = browser.Get()
        let! context = running.NewContextAsync options
        let! page = context.NewPageAsync()
        page.SetDefaultTimeout 15_000f
        return context, Dashboard(page, origin)
    }

    /// Plays a test, and sees that the page behaved well in it.
    let play (browser: Browser) settings (test: Scene -> Task) : Task = task {
        use directory = new TemporaryDirectory()
        let! backends = settings.Backends |> List.map Backend.Start |> Task.WhenAll

        try
            let backends = List.ofArray backends

            use balancer =
                new Balancer(directory, Scene.Pools(settings.Strategy, backends), settings.Admin)

            do! balancer.Start()
            let! context, dashboard = opened browser balancer.Admin settings.Context
            do! dashboard.Open ""
            do! test (Scene(dashboard, balancer, backends, context))
            dashboard.WasWellBehaved settings.Expected
            do! context.CloseAsync()
        finally
            for backend in backends do
                backend.Kill().Wait()
    }
