namespace Conduit.Server.Tests

open System
open System.Collections.Concurrent
open System.Net
open System.Net.Http
open System.Net.Sockets
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server
open Conduit.Server.Sample
open Conduit.Server.Tests.SampleBackendClient

/// Strategies, checks and observers that are supplied in code; and the question after a server's health.
module ExtensionsTests =

    /// Always the one with this id.
    let private only (id: string) = {
        new IStrategy with
            member _.Name = $"only-{id}"

            member _.Choose(candidates, _, _) =
                candidates |> Seq.findIndex (fun each -> each.Id = id)
    }

    let private check (verdict: Uri -> string | null) = {
        new IBackendCheck with
            member _.Name = "own-check"
            member _.Check(url, _) = Task.FromResult(verdict url)
    }

    let private hear (into: ConcurrentQueue<string>) = {
        new IBackendObserver with
            member _.Happened event = into.Enqueue event.Type
    }

    /// A configuration names its port.
    let private freePort () =
        use listener = new TcpListener(IPAddress.Loopback, 0)
        listener.Start()
        (listener.LocalEndpoint :?> IPEndPoint).Port

    let private overlay (backends: string) : ConfigSource = {
        File = None
        Overlay = [
            Overlay.list [ "backends" ] "test" backends
            Overlay.value [ "listen"; "host" ] "test" "127.0.0.1"
            Overlay.value [ "listen"; "port" ] "test" (string (freePort ()))
            Overlay.value [ "admin"; "port" ] "test" "0"
            Overlay.value [ "health_check"; "interval" ] "test" "50ms"
        ]
    }

    let private running source extensions (test: LoadBalancer -> Task<unit>) : Task = task {
        use log = new CapturedLog()

        match! LoadBalancer.Start(source, log.Factory, extensions) with
        | Error failure -> failwith (Balancers.reason failure)
        | Ok balancer ->
            try
                do! test balancer
            finally
                balancer.Stop().Wait()
    }

    let private onlyBackend (balancer: LoadBalancer) =
        (Array.exactlyOne balancer.Agent.Current.Pools[0].Targets).Backend

    [<Fact>]
    let ``a strategy of one's own chooses, and a reload keeps it`` () = task {
        use! first = SampleBackend.start { settings with Name = "one" }
        use! second = SampleBackend.start { settings with Name = "two" }
        let source = overlay $"{first.Url};id=one,{second.Url};id=two"

        let extensions = {
            Extensions.none with
                Strategies = [ ("default", only "two") ]
        }

        do!
            running source extensions (fun balancer -> task {
                use client = new HttpClient(BaseAddress = Uri balancer.Url)

                for _ in 1..2 do
                    for _ in 1..5 do
                        let! answer = client.GetStringAsync "/"
                        Assert.EndsWith("two\n", answer)

                    do! balancer.Reload()

                Assert.Equal(
                    "only-two",
                    Strategy.name balancer.Agent.Current.Pools[0].Source.Settings.Strategy
                )
            })
    }

    [<Fact>]
    let ``a check of one's own decides, and an observer hears of it`` () = task {
        use! backend = SampleBackend.start settings
        let heard = ConcurrentQueue<string>()

        let extensions = {
            Extensions.none with
                Checks = [ ("default", check (fun _ -> "not today")) ]
                Observers = [ hear heard ]
        }

        do!
            running (overlay backend.Url) extensions (fun balancer -> task {
                do!
                    Eventually.holds "the backend is down" (fun () ->
                        not (Health.isUp (onlyBackend balancer).Health))

                Assert.Equal(Some "not today", (onlyBackend balancer).LastFailure)
                do! Eventually.holds "the observer heard of it" (fun () -> Seq.contains "backend_down" heard)
                Assert.Equal("backend_added", Seq.head heard)
            })
    }

    [<Fact>]
    let ``an extension of a pool that is not there is a fault`` () =
        let extensions = {
            Extensions.none with
                Strategies = [ ("web", only "a") ]
                Checks = [ ("api", check (fun _ -> null)) ]
        }

        match
            ConfigSource.load (overlay "http://localhost:1")
            |> Result.bind (Extensions.apply extensions)
        with
        | Ok loaded -> failwith $"{loaded}"
        | Error faults ->
            Assert.Equal<string list>(
                [ "there is no pool 'web'"; "there is no pool 'api'" ],
                faults |> List.map _.What
            )

    [<Theory>]
    [<InlineData("/healthz", 0)>]
    [<InlineData("/admin/ready/", 1)>]
    [<InlineData("/healthz?query", 1)>]
    let ``a server's health is its answer's status, at a URL without a query``
        (path: string)
        (expected: int)
        = task {
        use! backend = SampleBackend.start settings
        let! code = HealthQuestion.ask (backend.Url + path)
        Assert.Equal(expected, code)
    }

    [<Fact>]
    let ``a server that does not answer is not well`` () = task {
        let! code = HealthQuestion.ask $"http://127.0.0.1:{freePort ()}/livez"
        Assert.Equal(1, code)
    }
