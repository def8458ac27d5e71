namespace Conduit.Server

open System
open System.Diagnostics
open System.Threading
open System.Threading.Tasks
open Microsoft.Extensions.Logging
open Conduit
open Conduit.Transport
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
    Ledger: Ledger
    /// Counts the requests that no backend took.
    Unserved: Counters
    /// Counts those that were refused for their heads.
    Refused: Rejections
    /// How long health checks took.
    CheckTimes: TimeHistogram
    Reloads: ReloadCounts
    /// Why connections of HTTP/2 were ended.
    Endings: Http2Endings
    Prober: Prober
    Resolver: Resolver
    Memory: MemoryUsage
    Forwarder: IForwarder
    AccessLog: AccessLog
    Telemetry: Telemetry option
    ProcessWatch: IDisposable
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

    /// Tells in the log what goes wrong in what the whole process shares: event loops, deadlines, the table of
    /// descriptors. Ends with what it gives.
    let private watchProcess (log: Log) : IDisposable =
        let stalled = Action<int, TimeSpan>(fun loop time -> log.LoopStalled(loop, time))
        let failed = Action<exn>(fun error -> log.Failed("An event loop's work", error))
        let short = Action<string>(log.ClientsWait)

        let expiry =
            Deadlines.Failed.Subscribe(fun error -> log.Failed("Ending what took too long", error))

        EventLoops.add_Stalled stalled
        EventLoops.add_Failed failed
        FileTable.add_Short short

        {
            new IDisposable with
                member _.Dispose() =
                    EventLoops.remove_Stalled stalled
                    EventLoops.remove_Failed failed
                    FileTable.remove_Short short
                    expiry.Dispose()
        }

    /// An agent whose changes are logged, told to whoever watches, and followed by the health checks, which
    /// begin when the prober is told to.
    let start
        (transport: Transport)
        (telemetry: TelemetryConfig option)
        (extensions: Extensions)
        (loggers: ILoggerFactory)
        : Parts =
        let log = Log loggers
        let events = ControlEvents TimeProvider.System
        let notes = BackendNotes TimeProvider.System
        let ledger = Ledger()
        let checkTimes = TimeHistogram TimeHistogram.RequestBounds

        let hear event =
            notes.Hear event
            ledger.Hear event

        let changes = FSharp.Control.Event<Change>()

        let agent =
            Agent.Start(
                uint64 (Random.Shared.NextInt64()),
                {
                    Now = now
                    OnEvent = hear
                    OnChange = changes.Trigger
                    OnError = fun error -> log.Failed("An event that was dropped", error)
                },
                []
            )

        let prober = new Prober(agent, log, checkTimes, 256)

        changes.Publish.Add(fun change ->
            log.Changed change
            notes.Follow change
            ledger.Follow(agent.Current, change)
            events.Publish(ControlEvent.Changed change)

            match change with
            | Change.Added(pool, spec) -> prober.Watch(pool, spec, checkOf agent pool)
            | Change.Removed(pool, spec) -> prober.Forget(pool, spec.Id)
            | _ -> ()

            Queue.lookAgain agent.Current)

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
            Ledger = ledger
            Unserved = Counters()
            Refused = Rejections()
            CheckTimes = checkTimes
            Reloads = new ReloadCounts(events)
            Endings = new Http2Endings()
            Prober = prober
            Resolver = new Resolver(agent, log)
            Memory = new MemoryUsage(now)
            Forwarder = new Forwarder(transport)
            AccessLog = new AccessLog(log)
            Telemetry = telemetry |> Option.map (fun config -> new Telemetry(config))
            ProcessWatch = watchProcess log
            Stopping = new CancellationTokenSource()
            Extensions = extensions
        }

    /// Takes the live figures until the balancer stops.
    let takeFigures (parts: Parts) : Task =
        Background.run parts.Log "Taking live figures" (fun () -> parts.Figures.Run parts.Stopping.Token)

    /// All that is told in metrics. `port` gives the traffic port once it is open.
    let families
        (parts: Parts)
        (configuration: Configuration)
        (certificates: unit -> CertificateStatus list)
        (handshakes: HandshakeCounts)
        (port: unit -> TrafficPort option)
        =
        let ofPort (figure: TrafficPort -> int) () =
            port () |> Option.map figure |> Option.defaultValue 0

        BackendFamilies.all parts.Agent parts.Ledger parts.Unserved parts.Refused
        @ ControlFamilies.all {
            ConfigStatus = fun () -> configuration.Status
            Reloads = parts.Reloads
            Endings = parts.Endings
            Checks = parts.CheckTimes
            IsDraining = fun () -> parts.Lifetime.IsDraining
            InFlight = ofPort _.Active
            Connections = ofPort _.Connections
            Certificates = certificates
            Handshakes = handshakes
            AccessLines = parts.AccessLog.Lines
        }
        @ ProcessFamilies.all

    /// What serves the requests of the traffic port, by the configuration of the moment. `longestLine` is what
    /// the first line of a request may have.
    let serve (parts: Parts) (configuration: Configuration) longestLine stats metrics =
        let isAt (target: string) (path: string) =
            target.StartsWith(path, StringComparison.Ordinal)
            && (target.Length = path.Length || target[path.Length] = '?')

        let forwarder, around =
            match parts.Telemetry with
            | Some telemetry -> telemetry.Trying parts.Forwarder, telemetry.Around
            | None -> parts.Forwarder, id

        Proxy.serve {
            Agent = parts.Agent
            Post = parts.Agent.Post
            Forwarder = forwarder
            Now = now
            TrustForwarded = fun () -> configuration.Current.TrustForwarded
            Proxies = fun () -> configuration.Current.TrustedProxies
            LongestLine = longestLine
            Refused = parts.Refused
            Local =
                fun target ->
                    let current = configuration.Current

                    match current.StatsPath, current.Metrics.Path with
                    | Some path, _ when isAt target path -> Some stats
                    | _, Some path when isAt target path -> Some metrics
                    | _ -> None
            IdHeader =
                fun () ->
                    match configuration.Current.RequestId with
                    | Some name -> HeaderName.value name
                    | None -> null
            Log = parts.Log
            Ended =
                fun exchange ->
                    let current = configuration.Current

                    if current.Metrics.Enabled then
                        Account.count parts.Unserved exchange

                    parts.AccessLog.Write(current.TrustedProxies, exchange)
        }
        |> around

    /// Ends all of them.
    let dispose (parts: Parts) =
        parts.Stopping.Cancel()

        let all: IDisposable list = [
            parts.Resolver
            parts.Prober
            parts.Ticker
            parts.Forwarder
            parts.AccessLog
            yield! parts.Telemetry |> Option.map (fun each -> each :> IDisposable) |> Option.toList
            parts.ProcessWatch
            parts.Memory
            parts.Endings
            parts.Agent
        ]

        for part in all do
            part.Dispose()
