namespace Conduit

/// Every key that a configuration may have. The readers refuse what is not here, and tests hold the
/// documentation and the schema against it.
[<RequireQualifiedAccess>]
module Keys =

    let listener = [
        "host"
        "port"
        "tls"
        "proxy_protocol"
        "max_request_line"
        "max_header_size"
        "max_header_count"
        "header_timeout"
        "keep_alive_timeout"
        "min_rate"
        "min_rate_grace"
    ]

    let tls = [
        "enabled"
        "cert_file"
        "key_file"
        "password"
        "certificates"
        "reload_interval"
        "min_version"
        "max_version"
        "cipher_suites"
        "client_certificates"
        "client_ca_file"
        "redirect_port"
        "http3_port"
        "hsts"
    ]

    let certificate = [ "hosts"; "cert_file"; "key_file"; "password" ]

    let admin = [ "host"; "port"; "token"; "hosts"; "read_only" ]

    let log = [ "format"; "level" ]

    let telemetry = [
        "enabled"
        "endpoint"
        "protocol"
        "service_name"
        "traces"
        "sample"
        "metrics"
        "interval"
    ]

    let accessLog = [ "enabled"; "file"; "format"; "fields"; "sample"; "queue" ]

    let circuitBreaker = [
        "enabled"
        "failure_threshold"
        "reset_timeout"
        "max_reset_timeout"
        "half_open_limit"
        "failure_statuses"
    ]

    let stickySession = [
        "enabled"
        "type"
        "cookie_name"
        "timeout"
        "ttl"
        "key"
        "max_sessions"
        "cleanup_interval"
    ]

    let rateLimit = [ "enabled"; "rate"; "burst"; "by"; "exempt"; "max_keys" ]

    let metrics = [ "enabled"; "prometheus" ]

    let prometheus = [ "enabled"; "path" ]

    let backend = [ "id"; "url"; "weight"; "backup"; "resolve" ]

    let resolver = [ "servers"; "min_interval"; "max_interval"; "timeout" ]

    let healthCheck = [ "type"; "path"; "interval"; "timeout"; "rise"; "fall"; "failure_threshold" ]

    let retry = [
        "max_retries"
        "initial_interval"
        "max_interval"
        "multiplier"
        "randomization"
        "try_timeout"
        "total_timeout"
        "statuses"
        "budget"
        "buffer"
    ]

    let retryBudget = [ "percentage"; "per_second" ]

    let queue = [ "length"; "timeout" ]

    let timeouts = [ "connect"; "response"; "idle"; "request" ]

    /// The keys of a pool; at the top of a configuration they describe the pool `default`.
    let pool = [
        "strategy"
        "algorithm"
        "hash_on"
        "hash_table"
        "hash_balance_factor"
        "allow"
        "deny"
        "rate_limit"
        "max_in_flight"
        "max_body"
        "slow_start"
        "sticky_session"
        "backends"
        "health_check"
        "retry"
        "timeouts"
        "circuit_breaker"
        "protocol"
        "tls"
        "send_proxy"
        "max_connections"
        "queue"
    ]

    let backendTls = [ "server_name"; "ca_file"; "cert_file"; "key_file"; "insecure_skip_verify" ]

    let route = [
        "name"
        "host"
        "path"
        "methods"
        "headers"
        "query"
        "pool"
        "strip_prefix"
        "add_prefix"
        "request_headers"
        "response_headers"
        "timeouts"
    ]

    let routeTimeouts = [ "response"; "idle"; "request" ]

    let headerEdits = [ "set"; "remove" ]

    /// The keys at the top, but for those of a pool.
    let root = [
        "listen"
        "server"
        "lb_port"
        "admin"
        "resolver"
        "pools"
        "routes"
        "metrics"
        "access_log"
        "telemetry"
        "request_id_header"
        "drain_timeout"
        "stats_path"
        "trust_forwarded"
        "trusted_proxies"
        "transport"
        "log"
    ]

    /// The sections that a pool has, in it or at the top.
    let private ofPool = [
        "backends[]", backend
        "rate_limit", rateLimit
        "sticky_session", stickySession
        "health_check", healthCheck
        "retry", retry
        "retry.budget", retryBudget
        "timeouts", timeouts
        "circuit_breaker", circuitBreaker
        "tls", backendTls
        "queue", queue
    ]

    /// Every section with its keys. `[]` stands for each item of a list, NAME for a name that the
    /// operator chooses.
    let sections: (string * string list) list = [
        "", root @ pool
        "listen", listener
        "listen.tls", tls
        "listen.tls.certificates[]", certificate
        "server", listener
        "server.tls", tls
        "server.tls.certificates[]", certificate
        "admin", admin
        "resolver", resolver
        "metrics", metrics
        "metrics.prometheus", prometheus
        "log", log
        "access_log", accessLog
        "telemetry", telemetry
        "routes[]", route
        "routes[].timeouts", routeTimeouts
        "routes[].request_headers", headerEdits
        "routes[].response_headers", headerEdits
        "pools", [ "NAME" ]
        "pools.NAME", pool
        yield! ofPool
        yield! ofPool |> List.map (fun (section, keys) -> $"pools.NAME.{section}", keys)
    ]

    /// The path of every key.
    let paths = [
        for section, keys in sections do
            for key in keys -> if section = "" then key else $"{section}.{key}"
    ]
