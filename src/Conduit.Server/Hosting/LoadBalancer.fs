namespace Conduit.Server

open System
open System.Threading.Tasks
open Microsoft.Extensions.Logging
open Conduit

/// A running balancer: the only place that knows all parts.
[<Sealed>]
type LoadBalancer
    internal
    (
        parts: Parts,
        configuration: Configuration,
        port: TrafficPort,
        admin: Admin option,
        instruments: Instruments,
        reload: unit -> Task<Result<ReloadReport, Fault list>>,
        background: Task
    ) =

    static let controlPorts
        (parts: Parts)
        (configuration: Configuration)
        stats
        metrics
        reload
        : ControlPorts = {
        Agent = parts.Agent
        Lifetime = parts.Lifetime
        Now = Parts.now
        Clock = TimeProvider.System
        Stats = stats
        Metrics = metrics
        Events = parts.Events
        Figures = parts.Figures
        Notes = parts.Notes
        Writing = configuration.Writing
        Reload = reload
        Preview = configuration.Preview
        ConfigStatus = fun () -> configuration.Status
        EffectiveConfig = fun () -> ConfigText.json (Render.node configuration.Current)
        Differences = fun () -> Drift.find configuration.Current (Snapshot.state parts.Agent.Current)
    }

    /// A default admin port that is taken is only a warning.
    static let startAdmin
        (loaded: LoadedConfig)
        (ports: ControlPorts)
        (log: Log)
        : Task<Result<Admin option, Fault>> = task {
        match loaded.Config.Admin with
        | None -> return Ok None
        | Some wanted ->
            let start () =
                Admin.Start(wanted.EndPoint, AdminAccess.ofConfig wanted, ports, log.Factory)

            match! Binding.attempt loaded.Places.Admin wanted.EndPoint start with
            | Ok admin ->
                log.AdminListening admin.Url
                return Ok(Some admin)
            | Error _ when not wanted.Asked ->
                log.AdminUnavailable(string wanted.EndPoint)
                return Ok None
            | Error fault -> return Error fault
    }

    /// The ports first, and only when there are both what watches and asks others.
    static let openPorts
        (parts: Parts)
        source
        (loaded: LoadedConfig)
        (entrance: Entrance)
        : Task<Result<LoadBalancer, Fault>> = task {
        let configuration = Reloading.configuration parts source loaded
        let stats = Stats.handle parts.Agent parts.Figures parts.Memory Parts.now
        let opened: TrafficPort option ref = ref None

        let families =
            Parts.families
                parts
                configuration
                (fun () -> entrance.Certificates)
                entrance.Handshakes
                (fun () -> opened.Value)

        let metrics = Exposition.handle families

        let serve =
            Parts.serve parts configuration (fun () -> configuration.Current.Heads.Line) stats metrics

        match! TrafficPort.Open(loaded, entrance, parts.Refused, parts.Endings, serve, parts.Log) with
        | Error fault -> return Error fault
        | Ok port ->
            opened.Value <- Some port
            let reload = Reloading.reload parts configuration port

            match! startAdmin loaded (controlPorts parts configuration stats metrics reload) parts.Log with
            | Error fault ->
                // It may have accepted already: what came is served, also where the socket is another process' too.
                let! _ = port.Drain loaded.Config.DrainTimeout
                return Error fault
            | Ok admin ->
                port.LogListening()
                parts.Prober.Begin()

                let background =
                    Task.WhenAll(
                        Reloading.watch parts source configuration reload,
                        Reloading.watchCertificates parts entrance,
                        Parts.takeFigures parts
                    )

                let instruments = new Instruments(families)
                return Ok(LoadBalancer(parts, configuration, port, admin, instruments, reload, background))
    }

    /// The traffic port's URL.
    member _.Url = port.Url

    /// The admin port's URL, if there is one.
    member _.AdminUrl = admin |> Option.map _.Url

    member _.Agent = parts.Agent

    /// What happened in the last minutes.
    member _.Figures = parts.Figures

    /// Lets another process take over from now on.
    member _.Offer(takeOver: TakeOver) = takeOver.Begin parts.Log

    /// Closes what was inherited and no port has taken.
    member _.CloseUnused() =
        ListenSockets.OfProcess.CloseUnused() |> List.iter parts.Log.InheritedUnused

    /// Reads the configuration again, as on SIGHUP. How it went is in the log.
    member _.Reload() : Task = Reloading.inBackground parts reload

    /// Opens the file of the access log by its name again, as after a rotation.
    member _.ReopenLogs() = parts.AccessLog.Reopen()

    /// Starts all parts with a configuration that was read from `source`. The failure says which port cannot
    /// be had, or which file not be served from; nothing is left running then.
    static member Run
        (source: ConfigSource, loaded: LoadedConfig, loggers, ?extensions: Extensions)
        : Task<Result<LoadBalancer, StartFailure>> = task {
        let parts =
            Parts.start
                loaded.Config.Transport
                loaded.Config.Telemetry
                (defaultArg extensions Extensions.none)
                loggers

        parts.Log.Doubts loaded.Config
        let! _ = parts.Agent.Update(Reload.initial loaded.Config)
        do! parts.Resolver.Sync loaded.Config.Resolver

        let! opened = task {
            let entry = Entry.read (TimeProvider.System.GetUtcNow()) loaded.Config

            match AccessLog.Check loaded.Config.AccessLog |> Result.bind (fun () -> entry) with
            | Error faults -> return Error(StartFailure.Configuration faults)
            | Ok entry ->
                parts.AccessLog.Apply loaded.Config.AccessLog
                let entrance = Entrance(TimeProvider.System, parts.Log, entry)
                let! opened = openPorts parts source loaded entrance
                return opened |> Result.mapError StartFailure.Port
        }

        if opened.IsError then
            Parts.dispose parts

        return opened
    }

    /// Reads the configuration and starts all parts, with what is supplied in code, logging to `loggers`, or
    /// else as the configuration says.
    static member Start
        (source: ConfigSource, ?loggers: ILoggerFactory, ?extensions: Extensions)
        : Task<Result<LoadBalancer, StartFailure>> = task {
        let extensions = defaultArg extensions Extensions.none

        match ConfigSource.load source |> Result.bind (Extensions.apply extensions) with
        | Error faults -> return Error(StartFailure.Configuration faults)
        | Ok loaded ->
            let config = loaded.Config

            let loggers =
                loggers
                |> Option.defaultWith (fun () -> Logging.factory config.LogFormat config.LogLevel)

            return! LoadBalancer.Run(source, loaded, loggers, extensions)
    }

    /// Readiness turns to draining, the traffic port and those before it drain, and all parts end. Gives
    /// the number of requests that were cut off.
    member _.Stop() : Task<int> = task {
        let timeout = configuration.Current.DrainTimeout
        parts.Lifetime.Drain()
        parts.Stopping.Cancel()
        // A reload that is under way opens its port first, so that this port drains too.
        do! configuration.Settled()
        parts.Events.Publish ControlEvent.Stopping
        // Who has taken over answers for this port from now on.
        admin |> Option.iter _.Leave()
        parts.Log.Draining(port.Active, timeout)
        let! cut = port.Drain timeout
        do! background

        match admin with
        | Some admin -> do! (admin :> IAsyncDisposable).DisposeAsync()
        | None -> ()

        // What is exported at the end is still read by the instruments.
        Parts.dispose parts
        (instruments :> IDisposable).Dispose()
        parts.Log.Stopped cut
        parts.Loggers.Dispose()
        return cut
    }
