namespace Conduit.Server

open System
open System.Diagnostics
open System.Threading
open System.Threading.Tasks
open Microsoft.Extensions.Logging
open Conduit

/// What lives as long as the balancer does.
type private Parts = {
    Log: Log
    Loggers: ILoggerFactory
    Lifetime: Lifetime
    Agent: Agent
    Prober: Prober
    Memory: MemoryUsage
    Forwarder: Forwarder
    Stopping: CancellationTokenSource
}

/// A running balancer: the only place that knows all parts.
[<Sealed>]
type LoadBalancer
    private
    (
        parts: Parts,
        configuration: Configuration,
        listener: Listener ref,
        reload: unit -> Task<Result<ReloadReport, Fault list>>,
        events: ControlEvents,
        admin: Admin option
    ) =

    static let now =
        let started = Stopwatch.GetTimestamp()
        fun () -> Instant.ofElapsed (Stopwatch.GetElapsedTime started)

    static let checkOf (agent: Agent) pool () =
        match Snapshot.pool pool agent.Current with
        | ValueSome view -> view.Source.Settings.Check
        | ValueNone -> PoolSettings.defaults.Check

    /// An agent whose changes are logged, told to whoever watches, and followed by the health checks.
    static let startParts (loggers: ILoggerFactory) (events: ControlEvents) =
        let log = Log loggers
        let changes = FSharp.Control.Event<Change>()

        let agent =
            Agent.Start(
                uint64 (Random.Shared.NextInt64()),
                {
                    Now = now
                    OnChange = changes.Trigger
                    OnError = log.AgentFailed
                },
                []
            )

        let prober = new Prober(agent, log, 256)

        changes.Publish.Add(fun change ->
            log.Changed change
            events.Publish(ControlEvent.Changed change)

            match change with
            | Change.Added(pool, spec) -> prober.Watch(pool, spec, checkOf agent pool)
            | Change.Removed(pool, spec) -> prober.Forget(pool, spec.Id)
            | _ -> ())

        {
            Log = log
            Loggers = loggers
            Lifetime = Lifetime()
            Agent = agent
            Prober = prober
            Memory = new MemoryUsage(now)
            Forwarder = new Forwarder()
            Stopping = new CancellationTokenSource()
        }

    static let proxyEnv (parts: Parts) (configuration: Configuration) stats = {
        Agent = parts.Agent
        Forwarder = parts.Forwarder
        TrustForwarded = fun () -> configuration.Current.TrustForwarded
        Local =
            fun target ->
                match configuration.Current.StatsPath with
                | Some path when
                    target.StartsWith path
                    && (target.Length = path.Length || target[path.Length] = '?')
                    ->
                    Some stats
                | _ -> None
        Log = parts.Log
    }

    static let listen (parts: Parts) env endPoint =
        Binding.attempt "--port" endPoint (fun () -> Listener.Start(endPoint, Proxy.serve env, parts.Loggers))

    /// Opens the new port before the old one drains; nothing when the port stays.
    static let moveListener parts env (configuration: Configuration) (listener: Listener ref) : MoveListener =
        fun config -> task {
            if config.Listen = configuration.Current.Listen then
                return Ok ignore
            else
                match! listen parts env config.Listen with
                | Error fault -> return Error fault
                | Ok opened ->
                    let old = listener.Value

                    return
                        Ok(fun () ->
                            listener.Value <- opened
                            parts.Log.Listening opened.Url
                            old.Drain config.DrainTimeout |> ignore)
        }

    /// A default admin port that is taken is only a warning.
    static let startAdmin
        (config: Config)
        (ports: ControlPorts)
        (log: Log)
        : Task<Result<Admin option, Fault>> = task {
        match config.Admin with
        | None -> return Ok None
        | Some wanted ->
            let start () =
                Admin.Start(wanted.EndPoint, AdminAccess.ofConfig wanted, ports, log.Factory)

            match! Binding.attempt "--admin-port" wanted.EndPoint start with
            | Ok admin ->
                log.AdminListening admin.Url
                return Ok(Some admin)
            | Error _ when not wanted.Asked ->
                log.AdminUnavailable(string wanted.EndPoint)
                return Ok None
            | Error fault -> return Error fault
    }

    static let controlPorts (parts: Parts) (configuration: Configuration) events stats reload : ControlPorts = {
        Agent = parts.Agent
        Lifetime = parts.Lifetime
        Now = now
        Clock = TimeProvider.System
        Stats = stats
        Events = events
        Writing = configuration.Writing
        Reload = reload
        ConfigStatus = fun () -> configuration.Status
        EffectiveConfig = fun () -> ConfigText.json (Render.node configuration.Current)
        Differences = fun () -> Drift.find configuration.Current (Snapshot.state parts.Agent.Current)
    }

    /// The traffic port's URL.
    member _.Url = listener.Value.Url

    /// The admin port's URL, if there is one.
    member _.AdminUrl = admin |> Option.map _.Url

    member _.Agent = parts.Agent

    /// Reads the configuration again, as on SIGHUP.
    member _.Reload() : Task = reload ()

    /// Starts all parts with a configuration that was read from `source`. The fault says which port cannot
    /// be had.
    static member Run
        (source: ConfigSource, loaded: LoadedConfig, loggers)
        : Task<Result<LoadBalancer, Fault>> = task {
        let events = ControlEvents TimeProvider.System
        let parts = startParts loggers events
        let stats = Stats.handle parts.Agent parts.Memory now

        let configuration =
            Configuration(
                source,
                loaded,
                {
                    Agent = parts.Agent
                    Events = events
                    Clock = TimeProvider.System
                    Log = parts.Log
                }
            )

        let env = proxyEnv parts configuration stats
        loaded.Config.NotYet |> List.iter parts.Log.NotYet
        let! _ = parts.Agent.Update(Reload.initial loaded.Config)

        match! listen parts env loaded.Config.Listen with
        | Error fault -> return Error fault
        | Ok opened ->
            let listener = ref opened
            let move = moveListener parts env configuration listener
            let reload () = configuration.Reload move
            let ports = controlPorts parts configuration events stats reload

            match! startAdmin loaded.Config ports parts.Log with
            | Error fault ->
                let! _ = opened.Drain TimeSpan.Zero
                return Error fault
            | Ok admin ->
                parts.Log.Listening opened.Url

                source.File
                |> Option.iter (fun file ->
                    ConfigWatcher.watch
                        TimeProvider.System
                        file
                        (fun () -> configuration.Tried)
                        (fun () -> reload ())
                        parts.Stopping.Token
                    |> ignore)

                return Ok(LoadBalancer(parts, configuration, listener, reload, events, admin))
    }

    /// Reads the configuration and starts all parts, logging to `loggers`, or else as the configuration
    /// says.
    static member Start
        (source: ConfigSource, ?loggers: ILoggerFactory)
        : Task<Result<LoadBalancer, StartFailure>> = task {
        match ConfigSource.load source with
        | Error faults -> return Error(StartFailure.Configuration faults)
        | Ok loaded ->
            let config = loaded.Config

            let loggers =
                loggers
                |> Option.defaultWith (fun () -> Logging.factory config.LogFormat config.LogLevel)

            let! started = LoadBalancer.Run(source, loaded, loggers)
            return started |> Result.mapError StartFailure.Port
    }

    /// Readiness turns to draining, the traffic port drains, and all parts end. Gives the number of
    /// requests that were cut off.
    member _.Stop() : Task<int> = task {
        let timeout = configuration.Current.DrainTimeout
        parts.Stopping.Cancel()
        parts.Lifetime.Drain()
        events.Publish ControlEvent.Stopping
        parts.Log.Draining(listener.Value.Active, timeout)
        let! cut = listener.Value.Drain timeout

        match admin with
        | Some admin -> do! (admin :> IAsyncDisposable).DisposeAsync()
        | None -> ()

        for part in [ parts.Prober :> IDisposable; parts.Forwarder; parts.Memory; parts.Agent ] do
            part.Dispose()

        parts.Log.Stopped cut
        parts.Loggers.Dispose()
        return cut
    }
