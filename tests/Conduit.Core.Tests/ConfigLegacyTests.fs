module Conduit.Tests.ConfigLegacyTests

open System
open System.Net
open Xunit
open Conduit

/// The files of three existing systems load unchanged.

let private value = ConfigDocuments.value

let private onlyPool (config: Config) =
    match config.Pools with
    | [ pool ] ->
        Assert.Equal(PoolName.defaultPool, pool.Name)
        pool
    | pools -> failwith $"{pools.Length} pools"

let private urls (pool: PoolConfig) =
    pool.Backends |> List.map (_.Url >> string)

[<Fact>]
let ``the shape of lb_port, strategy and a list of URLs`` () =
    let config =
        ConfigDocuments.right (
            Doc.Section [
                "lb_port", value ":3332"
                "strategy", value "least-connection"
                "backends", ConfigDocuments.values [ "http://localhost:8081"; "http://localhost:8082" ]
            ]
        )

    let pool = onlyPool config
    Assert.Equal(IPEndPoint(IPAddress.Any, 3332), config.Listen)
    Assert.Equal(Strategy.LeastConnections, pool.Settings.Strategy)
    Assert.Equal<string list>([ "http://localhost:8081"; "http://localhost:8082" ], urls pool)

let private backend number weight =
    Doc.Section [
        "id", value $"backend{number}"
        "url", value $"http://localhost:808{number}"
        "weight", value (string weight)
    ]

let private yaml =
    Doc.Section [
        "listen",
        Doc.Section [
            "port", value "8080"
            "tls",
            Doc.Section [
                "enabled", value "false"
                "cert_file", value "certs/server.crt"
                "key_file", value "certs/server.key"
            ]
        ]
        "algorithm", value "weighted-round-robin"
        "backends", Doc.Items [ backend 1 3; backend 2 1 ]
        "health_check",
        Doc.Section [
            "interval", value "10s"
            "timeout", value "2s"
            "path", value "/health"
            "failure_threshold", value "4"
        ]
        "circuit_breaker",
        Doc.Section [
            "failure_threshold", value "5"
            "reset_timeout", value "30s"
            "half_open_limit", value "3"
        ]
        "sticky_session",
        Doc.Section [
            "enabled", value "true"
            "type", value "cookie"
            "cookie_name", value "session_id"
            "timeout", value "1h"
        ]
        "metrics",
        Doc.Section [
            "prometheus", Doc.Section [ "enabled", value "true"; "path", value "/metrics" ]
        ]
    ]

[<Fact>]
let ``the YAML shape of listen, algorithm and sections of policies`` () =
    let config = ConfigDocuments.right yaml
    let pool = onlyPool config

    Assert.Equal(IPEndPoint(IPAddress.Any, 8080), config.Listen)
    Assert.Equal(Strategy.WeightedRoundRobin, pool.Settings.Strategy)
    Assert.Equal<string list>([ "backend1"; "backend2" ], pool.Backends |> List.map (_.Id >> BackendId.value))
    Assert.Equal<int list>([ 3; 1 ], pool.Backends |> List.map (_.Weight >> Weight.value))

    Assert.Equal(
        {
            Probe = Probe.Http "/health"
            Interval = TimeSpan.FromSeconds 10.0
            Timeout = TimeSpan.FromSeconds 2.0
            Thresholds = { Rise = 2; Fall = 4 }
        },
        pool.Settings.Check
    )

let private json =
    Doc.Section [
        "server",
        Doc.Section [
            "port", value "8080"
            "tls",
            Doc.Section [
                "enabled", value "false"
                "cert_file", value "certs/server.crt"
                "key_file", value "certs/server.key"
                "reload_interval", value "5m"
                "min_version", value "TLS12"
                "max_version", value "TLS13"
                "cipher_suites", ConfigDocuments.values [ "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" ]
            ]
        ]
        "algorithm", value "round-robin"
        "sticky_session",
        Doc.Section [
            "enabled", value "true"
            "type", value "cookie"
            "cookie_name", value "lb_session"
            "ttl", value "24h"
            "max_sessions", value "10000"
            "cleanup_interval", value "1h"
        ]
        "health_check",
        Doc.Section [ "interval", value "30s"; "timeout", value "5s"; "path", value "/health" ]
        "circuit_breaker",
        Doc.Section [
            "failure_threshold", value "5"
            "reset_timeout", value "30s"
            "half_open_limit", value "3"
        ]
        "retry",
        Doc.Section [
            "max_retries", value "3"
            "initial_interval", value "100ms"
            "max_interval", value "1s"
            "multiplier", value "2"
            "randomization", value "0.1"
        ]
        "backends", Doc.Items [ backend 1 1; backend 2 1; backend 3 1 ]
    ]

[<Fact>]
let ``the JSON shape of server and retry`` () =
    let config = ConfigDocuments.right json
    let pool = onlyPool config

    Assert.Equal(IPEndPoint(IPAddress.Any, 8080), config.Listen)
    Assert.Equal(3, pool.Settings.Retry.Most)

    Assert.Equal(
        Some {
            By = StickyBy.Cookie "lb_session"
            Timeout = TimeSpan.FromHours 24.0
            MaxSessions = 10_000
            CleanupInterval = Some(TimeSpan.FromHours 1.0)
            Key = None
        },
        pool.Settings.Sticky
    )

    Assert.Equal(TimeSpan.FromSeconds 30.0, pool.Settings.Check.Interval)
    Assert.Equal(3, pool.Backends.Length)

[<Fact>]
let ``what is switched off is accepted`` () =
    let off = Doc.Section [ "enabled", value "false" ]

    let document =
        Doc.Section [
            "sticky_session", off
            "rate_limit", off
            "metrics", Doc.Section [ "prometheus", off ]
            "listen", Doc.Section [ "tls", off ]
            "admin", Doc.Section [ "port", value "0" ]
            ConfigDocuments.backends
        ]

    ConfigDocuments.right document |> ignore
