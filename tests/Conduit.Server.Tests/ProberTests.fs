namespace Conduit.Server.Tests

open System
open System.Net
open System.Net.Sockets
open System.Threading
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

/// Which backends are checked.
module ProberTests =

    /// Accepts connections, closes them, and counts them.
    [<Sealed>]
    type private Counted() =
        let listener = new TcpListener(IPAddress.Loopback, 0)
        let mutable count = 0

        let accept () : Task = task {
            try
                while true do
                    use! _ = listener.AcceptSocketAsync()
                    Interlocked.Increment &count |> ignore
            with :? SocketException ->
                ()
        }

        do
            listener.Start()
            accept () |> ignore

        member _.Count = Volatile.Read &count

        member _.Spec id =
            match BackendSpec.parse "test" $"http://{listener.LocalEndpoint};id={id}" with
            | Ok spec -> spec
            | Error faults -> failwith $"%A{faults}"

        interface IDisposable with
            member _.Dispose() = listener.Dispose()

    [<Fact>]
    let ``a backend that is disabled is not checked until it is in use again`` () = task {
        use first = new Counted()
        use second = new Counted()
        use log = new CapturedLog()

        let agent =
            Agent.Start(
                1UL,
                {
                    Now = fun () -> Instant.zero
                    OnEvent = ignore
                    OnChange = ignore
                    OnError = ignore
                },
                [
                    Event.PoolCreated(PoolName.defaultPool, PoolSettings.defaults)
                    Event.InPool(PoolName.defaultPool, PoolEvent.Added(first.Spec "first"))
                    Event.InPool(PoolName.defaultPool, PoolEvent.Added(second.Spec "second"))
                ]
            )

        let check = {
            PoolSettings.defaults.Check with
                Interval = TimeSpan.FromMilliseconds 10.0
        }

        use prober =
            new Prober(agent, Log log.Factory, TimeHistogram TimeHistogram.RequestBounds, 8)

        prober.Begin()
        prober.Watch(PoolName.defaultPool, first.Spec "first", (fun () -> check))
        prober.Watch(PoolName.defaultPool, second.Spec "second", (fun () -> check))
        do! Eventually.holds "both are checked" (fun () -> first.Count > 2 && second.Count > 2)

        let set admin =
            agent.Update [
                Event.InPool(PoolName.defaultPool, PoolEvent.AdminSet((first.Spec "first").Id, admin))
            ]

        let! _ = set AdminState.Disabled
        // One check may have been under way.
        let most = first.Count + 1
        let later = second.Count + 20
        do! Eventually.holds "the other is still checked" (fun () -> second.Count > later)
        Assert.InRange(first.Count, 0, most)

        let! _ = set AdminState.NotReady
        do! Eventually.holds "it is checked again" (fun () -> first.Count > most)
    }

    [<Fact>]
    let ``a shorter interval takes effect before the longer one is over`` () = task {
        use backend = new Counted()
        use log = new CapturedLog()
        let added = Event.InPool(PoolName.defaultPool, PoolEvent.Added(backend.Spec "only"))

        let agent =
            Agent.Start(
                1UL,
                {
                    Now = fun () -> Instant.zero
                    OnEvent = ignore
                    OnChange = ignore
                    OnError = ignore
                },
                [ Event.PoolCreated(PoolName.defaultPool, PoolSettings.defaults); added ]
            )

        let interval = ref (TimeSpan.FromHours 1.0)

        let settings () = {
            PoolSettings.defaults.Check with
                Interval = interval.Value
        }

        use prober =
            new Prober(agent, Log log.Factory, TimeHistogram TimeHistogram.RequestBounds, 8)

        prober.Begin()
        prober.Watch(PoolName.defaultPool, backend.Spec "only", settings)
        do! Eventually.holds "it is checked once" (fun () -> backend.Count = 1)
        interval.Value <- TimeSpan.FromMilliseconds 10.0
        do! Eventually.holds "it is checked often" (fun () -> backend.Count > 5)
    }
