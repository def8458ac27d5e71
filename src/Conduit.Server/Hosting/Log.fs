namespace Conduit.Server

open System
open Conduit
open Microsoft.Extensions.Logging

/// Every line that the program logs, with its level and its text. Texts that others chose are shown
/// through `Fault.quote` or have been checked before they get here.
[<Sealed>]
type Log(factory: ILoggerFactory) =

    static let backendRegistered =
        LoggerMessage.Define<string, string, int>(
            LogLevel.Information,
            EventId 1,
            "Backend {Backend} at {Url}, weight {Weight}"
        )

    static let listening =
        LoggerMessage.Define<string>(LogLevel.Information, EventId 2, "Listening on {Url}")

    static let adminListening =
        LoggerMessage.Define<string>(LogLevel.Information, EventId 3, "Admin on {Url}")

    static let adminUnavailable =
        LoggerMessage.Define<string>(
            LogLevel.Warning,
            EventId 4,
            "No admin port: {EndPoint} is taken. Choose another with --admin-port, or 0 for none"
        )

    static let statusChanged =
        LoggerMessage.Define<string, string>(
            LogLevel.Information,
            EventId 5,
            "Status change: {Url} [{Status}]"
        )

    static let statusDown =
        LoggerMessage.Define<string, string>(
            LogLevel.Warning,
            EventId 6,
            "Status change: {Url} [down] {Reason}"
        )

    static let requestFailed =
        LoggerMessage.Define<string, int, string, string>(
            LogLevel.Warning,
            EventId 7,
            "Request {RequestId} answered {Status}: {Backend} {Reason}"
        )

    static let responseCut =
        LoggerMessage.Define<string, string, string>(
            LogLevel.Warning,
            EventId 8,
            "Request {RequestId} cut off: {Backend} {Reason}"
        )

    static let retrying =
        LoggerMessage.Define<string, string, string>(
            LogLevel.Debug,
            EventId 9,
            "Request {RequestId} tried again: {Backend} {Reason}"
        )

    static let draining =
        LoggerMessage.Define<int, string>(
            LogLevel.Information,
            EventId 10,
            "Stopping: {InFlight} requests in flight get {Timeout} to finish. A second signal ends it at once"
        )

    static let stopped =
        LoggerMessage.Define<int>(LogLevel.Information, EventId 11, "Stopped, {Cut} requests cut off")

    static let accessLogFails =
        LoggerMessage.Define<string, string>(
            LogLevel.Error,
            EventId 50,
            "The access log cannot be written to {File}, its lines are dropped: {Reason}"
        )

    static let accessLogWorks =
        LoggerMessage.Define<string>(
            LogLevel.Information,
            EventId 51,
            "The access log is written to {File} again"
        )

    static let loopStalled =
        LoggerMessage.Define<int, float>(
            LogLevel.Error,
            EventId 60,
            "Event loop {Loop} has stood still for {Seconds:F1} s: something on it blocks"
        )

    static let clientsWait =
        LoggerMessage.Define<string>(
            LogLevel.Warning,
            EventId 61,
            "New connections wait: {Reason}. They are taken as others close; raise the limit of open files (ulimit -n)"
        )

    static let failed =
        LoggerMessage.Define<string>(LogLevel.Error, EventId 12, "{What} failed: a defect in Conduit")

    static let handlerFailed =
        LoggerMessage.Define<string>(
            LogLevel.Error,
            EventId 13,
            "Request {RequestId} hit a defect in Conduit"
        )

    static let checkFailed =
        LoggerMessage.Define<string, string>(
            LogLevel.Debug,
            EventId 14,
            "Check of {Backend} failed: {Reason}"
        )

    static let notResolved =
        LoggerMessage.Define<string, string>(
            LogLevel.Warning,
            EventId 21,
            "{Name} cannot be resolved: {Reason}. Its addresses stay what they were; it is asked for again"
        )

    static let reloaded =
        LoggerMessage.Define<int, string>(
            LogLevel.Information,
            EventId 16,
            "Configuration {Version} is in force: {Changes}"
        )

    static let reloadRefused =
        LoggerMessage.Define<string>(
            LogLevel.Error,
            EventId 17,
            "The new configuration is refused, the last good one goes on: {Fault}"
        )

    static let adminRefused =
        LoggerMessage.Define<string, string, string>(
            LogLevel.Warning,
            EventId 18,
            "Admin request refused: {Method} {Path} {Reason}"
        )

    static let portClosed =
        LoggerMessage.Define<string, int>(
            LogLevel.Information,
            EventId 19,
            "No longer listening on {Url}, {Cut} requests cut off"
        )

    static let keyMade =
        LoggerMessage.Define<string>(
            LogLevel.Warning,
            EventId 30,
            "Pool {Pool}: sticky_session has no key, so one was made: its sessions end with this process, and no other knows them"
        )

    static let cleanupPointless =
        LoggerMessage.Define<string>(
            LogLevel.Warning,
            EventId 31,
            "Pool {Pool}: sticky_session.cleanup_interval has no effect: sessions that are over leave by themselves; remove it"
        )

    static let slowStartPointless =
        LoggerMessage.Define<string, string>(
            LogLevel.Warning,
            EventId 32,
            "Pool {Pool}: slow_start has no effect with {Strategy}: keys would move ten times instead of once; remove it"
        )

    static let breakerTurned =
        LoggerMessage.Define<string, string, string>(
            LogLevel.Warning,
            EventId 20,
            "Circuit breaker: {Url} [{State}] {Reason}"
        )

    static let certificateServed =
        LoggerMessage.Define<string, string, DateTimeOffset>(
            LogLevel.Information,
            EventId 40,
            "Certificate {File} is served for {Hosts} until {NotAfter}"
        )

    static let certificateUnrooted =
        LoggerMessage.Define<string>(
            LogLevel.Warning,
            EventId 41,
            "Certificate {File} leads to no root that is known here: clients that lack one between will refuse it"
        )

    static let certificateRefused =
        LoggerMessage.Define<string, string>(
            LogLevel.Warning,
            EventId 42,
            "Certificate {File} stays as it is: {Reason}"
        )

    static let backendsUnverified =
        LoggerMessage.Define<string>(
            LogLevel.Warning,
            EventId 44,
            "The backends of the pool {Pool} need prove nothing: insecure_skip_verify is on, and anybody between may be them"
        )

    static let proxyRefused =
        LoggerMessage.Define<string, string>(
            LogLevel.Warning,
            EventId 45,
            "A connection from {Proxy} is refused, it should begin with a header of the PROXY protocol: {Reason}"
        )

    static let certificateExpires =
        LoggerMessage.Define<string, DateTimeOffset>(
            LogLevel.Warning,
            EventId 43,
            "Certificate {File} expires at {NotAfter}"
        )

    static let relieved =
        LoggerMessage.Define(
            LogLevel.Information,
            EventId 70,
            "Another process has taken over and serves from now on"
        )

    static let takeOverFailed =
        LoggerMessage.Define(
            LogLevel.Warning,
            EventId 71,
            "Another process was to take over and does not serve: this one goes on"
        )

    static let inheritedUnused =
        LoggerMessage.Define<string>(
            LogLevel.Warning,
            EventId 72,
            "The inherited socket {EndPoint} is of no use: no port of the configuration has this address"
        )

    static let admin state =
        match state with
        | AdminState.Ready -> "ready"
        | AdminState.NotReady -> "not ready"
        | AdminState.Draining -> "draining"
        | AdminState.Disabled -> "disabled"

    let log = factory.CreateLogger "Conduit"

    member _.Factory = factory

    member _.Listening url = listening.Invoke(log, url, null)

    member _.AdminListening url = adminListening.Invoke(log, url, null)

    member _.AdminUnavailable endPoint =
        adminUnavailable.Invoke(log, endPoint, null)

    member _.Changed(change: Change) =
        match change with
        | Change.Added(_, spec) ->
            backendRegistered.Invoke(
                log,
                BackendId.value spec.Id,
                string spec.Url,
                Weight.value spec.Weight,
                null
            )
        | Change.Removed(_, spec) -> statusChanged.Invoke(log, string spec.Url, "removed", null)
        | Change.WentUp(_, spec) -> statusChanged.Invoke(log, string spec.Url, "up", null)
        | Change.WentDown(_, spec, reason) -> statusDown.Invoke(log, string spec.Url, reason, null)
        | Change.AdminChanged(_, spec, state) -> statusChanged.Invoke(log, string spec.Url, admin state, null)
        | Change.BreakerTurned(_, spec, breaker, reason) ->
            breakerTurned.Invoke(
                log,
                string spec.Url,
                Breaker.name breaker,
                Option.defaultValue "" reason,
                null
            )
        | Change.WeightChanged(_, spec) ->
            statusChanged.Invoke(log, string spec.Url, $"weight {Weight.value spec.Weight}", null)

    member _.Relieved() = relieved.Invoke(log, null)

    member _.TakeOverFailed() = takeOverFailed.Invoke(log, null)

    member _.InheritedUnused endPoint =
        inheritedUnused.Invoke(log, endPoint, null)

    member _.RequestFailed(requestId, status, backend, reason) =
        requestFailed.Invoke(log, requestId, status, backend, reason, null)

    member _.ResponseCut(requestId, backend, reason) =
        responseCut.Invoke(log, requestId, backend, reason, null)

    member _.Retrying(requestId, backend, reason) =
        retrying.Invoke(log, requestId, backend, reason, null)

    member _.Draining(inFlight, timeout: TimeSpan) =
        draining.Invoke(log, inFlight, Duration.format timeout, null)

    /// The name is one that was configured; the reason is a name server's code.
    member _.NotResolved(name, reason) =
        notResolved.Invoke(log, name, reason, null)

    /// A pool's cookies are signed with a key that nobody has given.
    member _.KeyMade(pool: PoolName) =
        keyMade.Invoke(log, PoolName.value pool, null)

    member _.Reloaded(version, changes: string list) =
        let what =
            if changes.IsEmpty then
                "nothing changed"
            else
                String.concat "; " changes

        reloaded.Invoke(log, version, what, null)

    member _.ReloadRefused(faults: Fault list) =
        for fault in faults do
            reloadRefused.Invoke(log, Fault.render fault, null)

    /// A certificate from now on served, with the names it is for.
    member _.CertificateServed(file, hosts, notAfter, isComplete) =
        certificateServed.Invoke(log, file, hosts, notAfter, null)

        if not isComplete then
            certificateUnrooted.Invoke(log, file, null)

    member _.CertificateRefused(file, reason) =
        certificateRefused.Invoke(log, file, reason, null)

    /// What a configuration asks for that an operator should know of whenever it is put in force.
    member this.Doubts(config: Config) =
        Config.withoutKey config |> List.iter this.KeyMade

        for pool in config.Pools do
            match pool.Settings.Sticky with
            | Some { CleanupInterval = Some _ } ->
                cleanupPointless.Invoke(log, PoolName.value pool.Name, null)
            | _ -> ()

            match pool.Settings.Strategy with
            | Strategy.Hash
            | Strategy.IpHash when pool.Settings.SlowStart > TimeSpan.Zero ->
                slowStartPointless.Invoke(
                    log,
                    PoolName.value pool.Name,
                    Strategy.name pool.Settings.Strategy,
                    null
                )
            | _ -> ()

            if pool.Settings.Upstream.Tls.InsecureSkipVerify then
                backendsUnverified.Invoke(log, PoolName.value pool.Name, null)

    member _.ProxyRefused(proxy, reason) =
        proxyRefused.Invoke(log, proxy, reason, null)

    member _.CertificateExpires(file, notAfter) =
        certificateExpires.Invoke(log, file, notAfter, null)

    member _.PortClosed(url, cut) = portClosed.Invoke(log, url, cut, null)

    member _.Stopped cut = stopped.Invoke(log, cut, null)

    member _.AccessLogFails(file, reason) =
        accessLogFails.Invoke(log, file, reason, null)

    member _.AccessLogWorks file = accessLogWorks.Invoke(log, file, null)

    member _.LoopStalled(loop, time: TimeSpan) =
        loopStalled.Invoke(log, loop, time.TotalSeconds, null)

    member _.ClientsWait(reason) = clientsWait.Invoke(log, reason, null)

    /// Something that nobody waits for, so that only the log tells of it.
    member _.Failed(what, error: exn) = failed.Invoke(log, what, error)

    member _.HandlerFailed(requestId, error: exn) =
        handlerFailed.Invoke(log, requestId, error)

    member _.CheckFailed(backend, reason) =
        checkFailed.Invoke(log, backend, reason, null)

    member _.AdminRefused(method, path, reason) =
        adminRefused.Invoke(log, Fault.quote method, Fault.quote path, reason, null)
