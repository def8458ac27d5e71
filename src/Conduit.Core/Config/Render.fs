namespace Conduit

/// A configuration as a document again: every default filled in, every secret masked.
[<RequireQualifiedAccess>]
module Render =

    let private origin = Origin.Given "effective configuration"
    let private scalar text = Node.scalar origin text

    let private section entries =
        Node.mapping origin [
            for key, node in entries do
                {
                    Key = key
                    KeyOrigin = origin
                    Node = node
                }
        ]

    let private list items = {
        Origin = origin
        Value = NodeValue.Sequence items
    }

    let private duration value = scalar (Duration.format value)

    let private boolean value =
        scalar (if value then "true" else "false")

    let private certificate (files: CertificateFiles) = [
        "cert_file", scalar files.CertFile
        match files.KeyFile with
        | Some file -> "key_file", scalar file
        | None -> ()
        match files.Password with
        | Some password -> "password", scalar (string password)
        | None -> ()
        if not files.Hosts.IsEmpty then
            "hosts", list [ for host in files.Hosts -> scalar (string host) ]
    ]

    let private tls (tls: TlsConfig) =
        section [
            "enabled", boolean true
            "certificates", list [ for files in tls.Certificates -> section (certificate files) ]
            "reload_interval", duration tls.ReloadInterval
            "min_version", scalar (TlsVersion.name tls.MinVersion)
            "max_version", scalar (TlsVersion.name tls.MaxVersion)
            if not tls.CipherSuites.IsEmpty then
                "cipher_suites", list (List.map scalar tls.CipherSuites)
            match tls.ClientCertificates with
            | ClientCertificates.NotAsked -> "client_certificates", scalar "none"
            | ClientCertificates.Optional caFile ->
                "client_certificates", scalar "optional"
                "client_ca_file", scalar caFile
            | ClientCertificates.Required caFile ->
                "client_certificates", scalar "required"
                "client_ca_file", scalar caFile
            match tls.RedirectPort with
            | Some port -> "redirect_port", scalar (string port)
            | None -> ()
            match tls.Http3Port with
            | Some port -> "http3_port", scalar (string port)
            | None -> ()
            match tls.Hsts with
            | Some seconds -> "hsts", scalar (string seconds)
            | None -> ()
        ]

    let private backend (spec: BackendSpec) =
        section [
            "id", scalar (BackendId.value spec.Id)
            "url", scalar (string spec.Url)
            "weight", scalar (string (Weight.value spec.Weight))
            "backup", boolean spec.Backup
            if spec.AllAddresses then
                "resolve", scalar "all"
        ]

    let private healthCheck (check: HealthCheck) =
        section [
            match check.Probe with
            | Probe.Tcp -> "type", scalar "tcp"
            | Probe.Custom own -> "type", scalar own.Name
            | Probe.Http path ->
                "type", scalar "http"
                "path", scalar path
            "interval", duration check.Interval
            "timeout", duration check.Timeout
            "rise", scalar (string check.Thresholds.Rise)
            "fall", scalar (string check.Thresholds.Fall)
        ]

    let private statuses set =
        list (StatusSet.format set |> List.map scalar)

    let private circuitBreaker (breaker: BreakerSettings) =
        section [
            "failure_threshold", scalar (string breaker.FailureThreshold)
            "reset_timeout", duration breaker.ResetTimeout
            "max_reset_timeout", duration breaker.MaxResetTimeout
            "half_open_limit", scalar (string breaker.HalfOpenLimit)
            "failure_statuses", statuses breaker.FailureStatuses
        ]

    let private hashTable table =
        match table with
        | HashTable.Maglev -> "maglev"
        | HashTable.Ring -> "ring"

    let private addresses key (set: AddressSet) = [
        if not set.Texts.IsEmpty then
            key, list (List.map scalar set.Texts)
    ]

    let private rateLimit (limit: RateLimit) =
        section [
            "enabled", boolean true
            "rate", scalar (Rate.format limit.Rate)
            "burst", scalar (string limit.Burst)
            "by", scalar (LimitBy.format limit.By)
            yield! addresses "exempt" limit.Exempt
            "max_keys", scalar (string limit.MaxKeys)
        ]

    let private admission (settings: AdmissionSettings) = [
        yield! addresses "allow" settings.Allow
        yield! addresses "deny" settings.Deny
        match settings.RateLimit with
        | Some limit -> "rate_limit", rateLimit limit
        | None -> ()
        "max_in_flight", scalar (string settings.MaxInFlight)
        "max_body", scalar (string settings.MaxBody)
    ]

    let private backendTls (tls: BackendTls) =
        let optional key value =
            value |> Option.map (fun value -> key, scalar value) |> Option.toList

        section [
            yield! optional "server_name" tls.ServerName
            yield! optional "ca_file" tls.CaFile
            yield! optional "cert_file" tls.CertFile
            yield! optional "key_file" tls.KeyFile
            "insecure_skip_verify", boolean tls.InsecureSkipVerify
        ]

    let private sticky (settings: StickySettings) =
        section [
            "enabled", boolean true
            match settings.By with
            | StickyBy.Client -> "type", scalar "ip"
            | StickyBy.Cookie name ->
                "type", scalar "cookie"
                "cookie_name", scalar name
            "timeout", duration settings.Timeout
            "max_sessions", scalar (string settings.MaxSessions)
            match settings.Key with
            | Some key -> "key", scalar (string key)
            | None -> ()
            match settings.CleanupInterval with
            | Some interval -> "cleanup_interval", duration interval
            | None -> ()
        ]

    let private sendProxy version =
        Upstream.proxyVersions |> List.find (fun (_, known) -> known = version) |> fst

    let private number (value: float) =
        scalar (value.ToString System.Globalization.CultureInfo.InvariantCulture)

    let private retry (retry: RetrySettings) =
        section [
            "max_retries", scalar (string retry.Most)
            "initial_interval", duration retry.BackOff.Initial
            "max_interval", duration retry.BackOff.Longest
            "multiplier", number retry.BackOff.Multiplier
            "randomization", number retry.BackOff.Randomization
            match retry.TryTimeout with
            | Some timeout -> "try_timeout", duration timeout
            | None -> ()
            match retry.TotalTimeout with
            | Some timeout -> "total_timeout", duration timeout
            | None -> ()
            if not (StatusSet.isEmpty retry.Statuses) then
                "statuses", statuses retry.Statuses
            "budget",
            section [
                "percentage", number retry.Budget.Percentage
                "per_second", number retry.Budget.PerSecond
            ]
            "buffer", scalar (string retry.Buffer)
        ]

    let private pool (pool: PoolConfig) =
        let settings = pool.Settings

        section [
            "strategy", scalar (Strategy.name settings.Strategy)
            "hash_on", scalar (HashOn.format settings.Hash.On)
            "hash_table", scalar (hashTable settings.Hash.Table)
            "hash_balance_factor", scalar (string settings.Hash.BalanceFactor)
            yield! admission settings.Admission
            "slow_start", duration settings.SlowStart
            match settings.Sticky with
            | Some settings -> "sticky_session", sticky settings
            | None -> ()
            "health_check", healthCheck settings.Check
            "retry", retry settings.Retry
            "timeouts",
            section [
                "connect", duration settings.Timeouts.Connect
                "response", duration settings.Timeouts.Response
                "idle", duration settings.Timeouts.Idle
                match settings.Timeouts.Request with
                | Some timeout -> "request", duration timeout
                | None -> ()
            ]
            match settings.Breaker with
            | Some breaker -> "circuit_breaker", circuitBreaker breaker
            | None -> ()
            "protocol", scalar (BackendProtocol.name settings.Upstream.Protocol)
            if settings.Upstream.Tls <> Upstream.defaults.Tls then
                "tls", backendTls settings.Upstream.Tls
            "send_proxy", scalar (sendProxy settings.Upstream.SendProxy)
            match settings.Limit with
            | Some limit ->
                "max_connections", scalar (string limit.Most)

                "queue",
                section [
                    "length", scalar (string limit.QueueLength)
                    "timeout", duration limit.QueueTimeout
                ]
            | None -> ()
            "backends", list (List.map backend pool.Backends)
        ]

    let private admin (admin: AdminConfig option) =
        match admin with
        | None -> section [ "port", scalar "0" ]
        | Some admin ->
            section [
                "host", scalar (string admin.EndPoint.Address)
                "port", scalar (string admin.EndPoint.Port)
                match admin.Token with
                | Some token -> "token", scalar (string token)
                | None -> ()
                if not admin.Hosts.IsEmpty then
                    "hosts", list (List.map scalar admin.Hosts)
                "read_only", boolean admin.ReadOnly
            ]

    let private resolver (settings: ResolverSettings) =
        section [
            if not settings.Servers.IsEmpty then
                "servers", list (settings.Servers |> List.map (string >> scalar))
            "min_interval", duration settings.MinInterval
            "max_interval", duration settings.MaxInterval
            "timeout", duration settings.Timeout
        ]

    let private edits (edits: HeaderEdits) =
        let all = HeaderEdits.toList edits

        section [
            "set",
            section [
                for edit in all do
                    match edit with
                    | HeaderEdit.Set(name, value) -> HeaderName.value name, scalar (HeaderValue.value value)
                    | HeaderEdit.Remove _ -> ()
            ]
            "remove",
            list [
                for edit in all do
                    match edit with
                    | HeaderEdit.Remove name -> scalar (HeaderName.value name)
                    | HeaderEdit.Set _ -> ()
            ]
        ]

    let private path pattern =
        match pattern with
        | PathPattern.Any -> "/*"
        | PathPattern.Exact path -> ExactPath.value path
        | PathPattern.Prefix prefix -> PathPrefix.value prefix + "/*"

    let private condition value = scalar (Option.defaultValue "*" value)

    let private route (route: Route) =
        let wanted = route.Match

        let optional key value =
            value |> Option.map (fun value -> key, value) |> Option.toList

        section [
            "name", scalar (RouteName.value route.Name)
            "host", scalar (string wanted.Host)
            "path", scalar (path wanted.Path)
            if not wanted.Methods.IsEmpty then
                "methods", list (wanted.Methods |> List.map (Method.value >> scalar))
            if not wanted.Headers.IsEmpty then
                "headers",
                section [
                    for header in wanted.Headers ->
                        HeaderName.value header.Name, condition (Option.map HeaderValue.value header.Value)
                ]
            if not wanted.Query.IsEmpty then
                "query", section [ for query in wanted.Query -> query.Name, condition query.Value ]
            "pool", scalar (PoolName.value route.Pool)
            yield! optional "strip_prefix" (route.Rewrite.Strip |> Option.map (PathPrefix.value >> scalar))
            yield! optional "add_prefix" (route.Rewrite.Add |> Option.map (PathPrefix.value >> scalar))
            if route.RequestHeaders <> HeaderEdits.none then
                "request_headers", edits route.RequestHeaders
            if route.ResponseHeaders <> HeaderEdits.none then
                "response_headers", edits route.ResponseHeaders
            if route.Timeouts <> RouteTimeouts.none then
                "timeouts",
                section [
                    yield! optional "response" (Option.map duration route.Timeouts.Response)
                    yield! optional "idle" (Option.map duration route.Timeouts.Idle)
                    yield! optional "request" (Option.map duration route.Timeouts.Request)
                ]
        ]

    let private accessLog (log: AccessLogConfig) =
        section [
            "enabled", boolean true
            "file", scalar (log.LogFile |> Option.defaultValue AccessLogConfig.standardOutput)
            "format", scalar (LogFormat.name log.Format)
            "fields", list (log.Fields |> List.map (AccessField.name >> scalar))
            "sample", scalar (string log.Sample)
            "queue", scalar (string log.Queue)
        ]

    let private telemetry (telemetry: TelemetryConfig) =
        section [
            "enabled", boolean true
            "endpoint", scalar telemetry.Endpoint
            "protocol", scalar (OtlpProtocol.name telemetry.Protocol)
            "service_name", scalar telemetry.ServiceName
            "traces", boolean telemetry.Traces
            "sample", scalar (string telemetry.Sample)
            "metrics", boolean telemetry.Metrics
            "interval", duration telemetry.Interval
        ]

    let private logLevel level =
        match level with
        | LogLevel.Debug -> "debug"
        | LogLevel.Info -> "info"
        | LogLevel.Warning -> "warning"
        | LogLevel.Error -> "error"

    let private transport kind =
        match kind with
        | Transport.Auto -> "auto"
        | Transport.Epoll -> "epoll"
        | Transport.Portable -> "sockets"
        | Transport.Library -> "httpclient"

    /// The document. Read again it gives the same configuration, but for what was masked.
    let node (config: Config) =
        section [
            "listen",
            section [
                "host", scalar (string config.Listen.Address)
                "port", scalar (string config.Listen.Port)
                match config.Tls with
                | Some settings -> "tls", tls settings
                | None -> ()
                yield! addresses "proxy_protocol" config.ProxyFrom
                "max_request_line", scalar (string config.Heads.Line)
                "max_header_size", scalar (string config.Heads.Fields)
                "max_header_count", scalar (string config.Heads.Count)
                "header_timeout", duration config.Clients.HeaderTimeout
                "keep_alive_timeout", duration config.Clients.KeepAlive
                "min_rate", scalar (string config.Clients.MinRate)
                "min_rate_grace", duration config.Clients.Grace
            ]
            "admin", admin config.Admin
            if config.Resolver <> ResolverSettings.defaults then
                "resolver", resolver config.Resolver
            "drain_timeout", duration config.DrainTimeout
            match config.StatsPath with
            | Some path -> "stats_path", scalar path
            | None -> ()
            "metrics",
            section [
                "enabled", boolean config.Metrics.Enabled
                match config.Metrics.Path with
                | Some path -> "prometheus", section [ "path", scalar path ]
                | None -> ()
            ]
            match config.AccessLog with
            | Some log -> "access_log", accessLog log
            | None -> ()
            match config.Telemetry with
            | Some settings -> "telemetry", telemetry settings
            | None -> ()
            match config.RequestId with
            | Some name -> "request_id_header", scalar (HeaderName.value name)
            | None -> ()
            "trust_forwarded", boolean config.TrustForwarded
            yield! addresses "trusted_proxies" config.TrustedProxies
            "transport", scalar (transport config.Transport)
            "log",
            section [
                "format", scalar (LogFormat.name config.LogFormat)
                "level", scalar (logLevel config.LogLevel)
            ]
            "pools", section [ for each in config.Pools -> PoolName.value each.Name, pool each ]
            if not config.Routes.IsEmpty then
                "routes", list (List.map route config.Routes)
        ]
