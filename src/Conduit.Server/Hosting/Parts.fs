namespace Conduit.Server

open System
open System.Diagnostics
open System.Threading
open System.Threading.Tasks
open Microsoft.Extensions.Logging
open Conduit
open Conduit.Transport.Epoll

/// What lives as long as the balancer does, but for its ports.
type internal Parts = {
    Log: Log
    Loggers: ILoggerFactory
    Lifetime: Lifetime
    Events: ControlEvents
    Agent: Agent
    Figures: LiveFigures
    Notes: BackendNotes
    Ticker: Ticker
    Prober: Prober
    Resolver: Resolver
    Memory: MemoryUsage
    Forwarder: IForwarder
    LoopWatch: IDisposable
    /// Cancelled when the balancer begins to stop.
    Stopping: CancellationTokenSource
    Extensions: Extensions
}

[<RequireQualifiedAccess>]
module internal Parts =

    /// The clock of everything that lives in this process.
    let now =
        let started = Stopwatch.GetTimestamp()
        fun () -> Instant.ofElapsed (Stopwatch.GetElapsedTime started)

    let private checkOf (agent: Agent) pool () =
        match Snapshot.pool pool agent.Current with
        | ValueSome view -> view.Source.Settings.Check
        | ValueNone -> PoolSettings.defaults.Check

    /// Tells in the log what goes wrong on the event loops, which are those of the process. Ends with what
    /// it gives.
    let private watchLoops (log: Log) : IDisposable =
        let stalled = Action<int, TimeSpan>(fun loop time -> log.LoopStalled(loop, time))
        let failed = Action<exn>(fun error -> log.Failed("An event loop's work", error))
        EventLoops.add_Stalled stalled
        EventLoops.add_Failed failed

        {
            new IDisposable with
                member _.Dispose() =
                    EventLoops.remove_Stalled stalled
                    EventLoops.remove_Failed failed
        }

    /// An agent whose changes are logged, told to whoever watches, and followed by the health checks, which
    /// begin when the prober is told to.
    let start (transport: Transport) (extensions: Extensions) (loggers: ILoggerFactory) : Parts =
        let log = Log loggers
        let events = ControlEvents TimeProvider.System
        let notes = BackendNotes TimeProvider.System
        let changes = FSharp.Control.Event<Change>()

        let agent =
            Agent.Start(
                uint64 (Random.Shared.NextInt64()),
                {
                    Now = now
                    OnEvent = notes.Hear
                    OnChange = changes.Trigger
                    OnError = fun error -> log.Failed("An event that was dropped", error)
                },
                []
            )

        let prober = new Prober(agent, log, 256)

        changes.Publish.Add(fun change ->
            log.Changed change
            notes.Follow change
            events.Publish(ControlEvent.Changed change)

            match change with
            | Change.Added(pool, spec) -> prober.Watch(pool, spec, checkOf agent pool)
            | Change.Removed(pool, spec) -> prober.Forget(pool, spec.Id)
            | _ -> ())

        for observer in extensions.Observers do
            events.Subscribe(Views.event >> observer.Happened) |> ignore

        {
            Log = log
            Loggers = loggers
            Lifetime = Lifetime()
            Events = events
            Agent = agent
            Figures = LiveFigures(agent, TimeProvider.System)
            Notes = notes
            Ticker = new Ticker(agent, now)
            Prober = prober
            Resolver = new Resolver(agent, log)
            Memory = new MemoryUsage(now)
            Forwarder = new Forwarder(transport)
            LoopWatch = watchLoops log
            Stopping = new CancellationTokenSource()
            Extensions = extensions
        }

    /// Takes the live figures until the balancer stops.
    let takeFigures (parts: Parts) : Task =
        Background.run parts.Log "Taking live figures" (fun () -> parts.Figures.Run parts.Stopping.Token)

    /// What serves the requests of the traffic port, by the configuration of the moment.
    let serve (parts: Parts) (configuration: Configuration) stats =
        let isStats (target: string) (path: string) =
            target.StartsWith path
            && (target.Length = path.Length || target[path.Length] = '?')

        Proxy.serve {
            Agent = parts.Agent
            Forwarder = parts.Forwarder
            Now = now
            TrustForwarded = fun () -> configuration.Current.TrustForwarded
            Proxies = fun () -> configuration.Current.TrustedProxies
            Local =
                fun target ->
                    match configuration.Current.StatsPath with
                    | Some path when isStats target path -> Some stats
                    | _ -> None
            Log = parts.Log
        }

    /// Ends all of them.
    let dispose (parts: Parts) =
        parts.Stopping.Cancel()

        let all: IDisposable list = [
            parts.Resolver
            parts.Prober
            parts.Ticker
            parts.Forwarder
            parts.LoopWatch
            parts.Memory
            parts.Agent
        ]

        for part in all do
            part.Dispose()
