namespace Conduit

open System.Collections.Generic

/// What a new configuration changes, as events for the state.
///
/// The rule: a reload applies what changed in the file since it was last applied. Everything else stays
/// as it is, and with it what was changed at run time.
[<RequireQualifiedAccess>]
module Reload =

    let private added (spec: BackendSpec) =
        if spec.AllAddresses then
            PoolEvent.NameAdded spec
        else
            PoolEvent.Added spec

    let private removed (spec: BackendSpec) =
        if spec.AllAddresses then
            PoolEvent.NameRemoved spec.Id
        else
            PoolEvent.Removed spec.Id

    let private created (pool: PoolConfig) = [
        Event.PoolCreated(pool.Name, pool.Settings)
        for spec in pool.Backends do
            Event.InPool(pool.Name, added spec)
        Event.InPool(pool.Name, PoolEvent.Settled)
    ]

    let private byId (pool: PoolConfig) =
        let found = Dictionary<BackendId, BackendSpec>()

        for spec in pool.Backends do
            found[spec.Id] <- spec

        found

    let private between (before: PoolConfig) (after: PoolConfig) =
        let earlier, later = byId before, byId after
        let inPool event = Event.InPool(after.Name, event)

        [
            if before.Settings <> after.Settings then
                inPool (PoolEvent.SettingsSet after.Settings)

            for spec in before.Backends do
                if not (later.ContainsKey spec.Id) then
                    inPool (removed spec)

            for spec in after.Backends do
                match earlier.TryGetValue spec.Id with
                | false, _ -> inPool (added spec)
                | true, old when old.AllAddresses && spec.AllAddresses ->
                    if old <> spec then
                        inPool (added spec)
                | true, old when old.Url <> spec.Url || old.AllAddresses <> spec.AllAddresses ->
                    inPool (removed old)
                    inPool (added spec)
                | true, old ->
                    if old.Weight <> spec.Weight then
                        inPool (PoolEvent.WeightSet(spec.Id, spec.Weight))

                    if old.Backup <> spec.Backup then
                        inPool (PoolEvent.BackupSet(spec.Id, spec.Backup))
        ]

    /// Conflicts between routes were found when they were read.
    let private router (config: Config) =
        match Router.create string config.Routes with
        | Ok router -> Event.RoutesSet router
        | Error faults -> invalidArg (nameof config) (faults |> List.map Fault.render |> String.concat "; ")

    /// The events that bring an empty state to a configuration.
    let initial (config: Config) =
        List.collect created config.Pools @ [ router config ]

    /// The events for what changed between two configurations.
    let events (before: Config) (after: Config) : Event list = [
        for pool in before.Pools do
            if (Config.pool pool.Name after).IsNone then
                Event.PoolRemoved pool.Name

        for pool in after.Pools do
            match Config.pool pool.Name before with
            | None -> yield! created pool
            | Some old -> yield! between old pool

        if before.Routes <> after.Routes then
            router after
    ]

    let private settle (state: State) event =
        match event with
        | Event.InPool(name, PoolEvent.Added spec) ->
            match
                state.Pools
                |> Map.tryFind name
                |> Option.bind (_.Backends >> Map.tryFind spec.Id)
            with
            | Some backend when backend.Spec.Url <> spec.Url -> [
                Event.InPool(name, PoolEvent.Removed spec.Id)
                event
              ]
            | Some _ -> [
                Event.InPool(name, PoolEvent.WeightSet(spec.Id, spec.Weight))
                Event.InPool(name, PoolEvent.BackupSet(spec.Id, spec.Backup))
              ]
            | None -> [ event ]
        | _ -> [ event ]

    /// The events as they apply to a state that was changed at run time too. A backend that somebody
    /// has added already becomes what the file says of it, and keeps its connections and its health
    /// where its URL is the same. What would change nothing is left out.
    let against (state: State) (events: Event list) : Event list =
        let step (state, kept) event =
            let after = State.evolve Instant.zero state event

            if obj.ReferenceEquals(state, after) then
                state, kept
            else
                after, event :: kept

        ((state, []), events)
        ||> List.fold (fun (state, kept) event -> settle state event |> List.fold step (state, kept))
        |> snd
        |> List.rev

    let private policies (before: PoolSettings) (after: PoolSettings) = [
        if before.Strategy <> after.Strategy then
            "strategy"
        if before.Hash.On <> after.Hash.On then
            "hash_on"
        if before.Hash.Table <> after.Hash.Table then
            "hash_table"
        if before.Hash.BalanceFactor <> after.Hash.BalanceFactor then
            "hash_balance_factor"
        if before.SlowStart <> after.SlowStart then
            "slow_start"
        if before.Sticky <> after.Sticky then
            "sticky_session"
        if before.Admission.Allow <> after.Admission.Allow then
            "allow"
        if before.Admission.Deny <> after.Admission.Deny then
            "deny"
        if before.Admission.RateLimit <> after.Admission.RateLimit then
            "rate_limit"
        if before.Admission.MaxInFlight <> after.Admission.MaxInFlight then
            "max_in_flight"
        if before.Admission.MaxBody <> after.Admission.MaxBody then
            "max_body"
        if before.Check <> after.Check then
            "health_check"
        if before.Retry <> after.Retry then
            "retry"
        if before.Timeouts <> after.Timeouts then
            "timeouts"
        if before.Breaker <> after.Breaker then
            "circuit_breaker"
        if before.Upstream.Protocol <> after.Upstream.Protocol then
            "protocol"
        if before.Upstream.Tls <> after.Upstream.Tls then
            "tls"
        if before.Upstream.SendProxy <> after.Upstream.SendProxy then
            "send_proxy"
        if before.Limit <> after.Limit then
            "max_connections"
    ]

    /// Routes by name: their order in the file means nothing.
    let private routes (before: Config) (after: Config) =
        let byName (config: Config) =
            config.Routes |> List.map (fun route -> route.Name, route) |> dict

        let earlier, later = byName before, byName after
        let named (route: Route) = $"route {RouteName.value route.Name}"

        [
            for route in before.Routes do
                if not (later.ContainsKey route.Name) then
                    $"{named route}: removed"

            for route in after.Routes do
                match earlier.TryGetValue route.Name with
                | false, _ -> $"{named route}: added"
                | true, old when old <> route -> $"{named route}: changed"
                | true, _ -> ()
        ]

    let private describe before after event =
        let inPool name what = [ $"pool {PoolName.value name}: {what}" ]

        match event with
        | Event.PoolCreated(name, _) -> inPool name "added"
        | Event.PoolRemoved name -> inPool name "removed"
        | Event.InPool(name, PoolEvent.Added spec) -> inPool name $"backend {BackendId.value spec.Id} added"
        | Event.InPool(name, PoolEvent.NameAdded spec) ->
            inPool name $"backend {BackendId.value spec.Id} stands for all addresses of {spec.Url.Host}"
        | Event.InPool(name, PoolEvent.NameRemoved id)
        | Event.InPool(name, PoolEvent.Removed id) -> inPool name $"backend {BackendId.value id} removed"
        | Event.InPool(name, PoolEvent.WeightSet(id, weight)) ->
            inPool name $"backend {BackendId.value id} has weight {Weight.value weight}"
        | Event.InPool(name, PoolEvent.BackupSet(id, backup)) ->
            let what = if backup then "is a backup" else "is no backup"
            inPool name $"backend {BackendId.value id} {what}"
        | Event.InPool(name, PoolEvent.SettingsSet settings) ->
            match Config.pool name before with
            | Some pool ->
                policies pool.Settings settings
                |> List.collect (fun key -> inPool name $"{key} changed")
            | None -> []
        | Event.InPool _ -> []
        | Event.Ticked -> []
        | Event.RoutesSet _ -> routes before after

    /// What is neither in a pool nor a route. The admin port, the transport and the log stay as they are
    /// until the next start.
    let private settings (before: Config) (after: Config) = [
        if before.Listen <> after.Listen then
            $"listen: {after.Listen}"
        if before.ProxyFrom <> after.ProxyFrom then
            "listen.proxy_protocol changed"
        if before.Heads.Line <> after.Heads.Line then
            $"listen.max_request_line: {after.Heads.Line}"
        if before.Heads.Fields <> after.Heads.Fields then
            $"listen.max_header_size: {after.Heads.Fields}"
        if before.Heads.Count <> after.Heads.Count then
            $"listen.max_header_count: {after.Heads.Count}"
        if before.Clients.HeaderTimeout <> after.Clients.HeaderTimeout then
            $"listen.header_timeout: {Duration.format after.Clients.HeaderTimeout}"
        if before.Clients.KeepAlive <> after.Clients.KeepAlive then
            $"listen.keep_alive_timeout: {Duration.format after.Clients.KeepAlive}"
        if before.Clients.MinRate <> after.Clients.MinRate then
            $"listen.min_rate: {after.Clients.MinRate}"
        if before.Clients.Grace <> after.Clients.Grace then
            $"listen.min_rate_grace: {Duration.format after.Clients.Grace}"
        if before.Tls <> after.Tls then
            match after.Tls with
            | Some _ when before.Tls.IsSome -> "listen.tls changed"
            | Some _ -> "listen.tls: on"
            | None -> "listen.tls: off"
        if before.DrainTimeout <> after.DrainTimeout then
            $"drain_timeout: {Duration.format after.DrainTimeout}"
        if before.StatsPath <> after.StatsPath then
            let path = after.StatsPath |> Option.defaultValue "none"
            $"stats_path: {path}"
        if before.Metrics.Enabled <> after.Metrics.Enabled then
            let enabled = if after.Metrics.Enabled then "true" else "false"
            $"metrics.enabled: {enabled}"
        if before.Metrics.Path <> after.Metrics.Path then
            let path = after.Metrics.Path |> Option.defaultValue "none"
            $"metrics.prometheus.path: {path}"
        if before.AccessLog <> after.AccessLog then
            match after.AccessLog with
            | Some _ when before.AccessLog.IsSome -> "access_log changed"
            | Some _ -> "access_log: on"
            | None -> "access_log: off"
        if before.RequestId <> after.RequestId then
            let name =
                after.RequestId |> Option.map HeaderName.value |> Option.defaultValue "none"

            $"request_id_header: {name}"
        if before.TrustForwarded <> after.TrustForwarded then
            let trust = if after.TrustForwarded then "true" else "false"
            $"trust_forwarded: {trust}"
        if before.TrustedProxies <> after.TrustedProxies then
            "trusted_proxies changed"
        if before.Resolver <> after.Resolver then
            "resolver: changed"
        if before.Admin <> after.Admin then
            "admin: takes effect at the next start"
        if before.Transport <> after.Transport then
            "transport: takes effect at the next start"
        if before.Telemetry <> after.Telemetry then
            "telemetry: takes effect at the next start"
        if before.LogFormat <> after.LogFormat || before.LogLevel <> after.LogLevel then
            "log: takes effect at the next start"
    ]

    /// What a reload with these events changes, a line each, for a person. Nothing when the two say the
    /// same.
    let report (before: Config) (after: Config) (events: Event list) : string list =
        settings before after @ List.collect (describe before after) events
