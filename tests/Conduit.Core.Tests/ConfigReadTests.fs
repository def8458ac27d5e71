module Conduit.Tests.ConfigReadTests

open System
open System.Net
open Xunit
open Conduit

let private value = ConfigDocuments.value
let private seconds (count: float) = TimeSpan.FromSeconds count

let private defaultPool config =
    match Config.pool PoolName.defaultPool config with
    | Some pool -> pool
    | None -> failwith "there is no pool default"

[<Fact>]
let ``a list of backends is enough, and all else has its default`` () =
    Assert.Equal(
        {
            Listen = IPEndPoint(IPAddress.Any, 3030)
            Tls = None
            ProxyFrom = AddressSet.empty
            Heads = HeadLimits.defaults
            Clients = ClientLimits.defaults
            Admin =
                Some {
                    EndPoint = IPEndPoint(IPAddress.Loopback, 8090)
                    Asked = false
                    Token = None
                    Hosts = []
                    ReadOnly = false
                }
            Resolver = ResolverSettings.defaults
            Pools = [
                {
                    Name = PoolName.defaultPool
                    Settings = PoolSettings.defaults
                    Backends = [ Make.spec "http://10.0.0.1:8081" ]
                }
            ]
            Routes = []
            DrainTimeout = seconds 10.0
            StatsPath = None
            Metrics = { Enabled = true; Path = None }
            AccessLog = None
            Telemetry = None
            RequestId = None
            TrustForwarded = false
            TrustedProxies = AddressSet.empty
            Transport = Transport.Auto
            LogFormat = LogFormat.Text
            LogLevel = LogLevel.Info
        },
        ConfigDocuments.right (Doc.Section [ ConfigDocuments.backends ])
    )

let private full =
    Doc.Section [
        "listen",
        Doc.Section [
            "host", value "10.0.0.9"
            "port", value "8080"
            "max_request_line", value "4096"
            "max_header_size", value "65536"
            "max_header_count", value "50"
            "header_timeout", value "5s"
            "keep_alive_timeout", value "1m"
            "min_rate", value "1KB"
            "min_rate_grace", value "20s"
        ]
        "admin",
        Doc.Section [
            "host", value "0.0.0.0"
            "port", value "9000"
            "token", value "0123456789abcdef"
            "hosts", ConfigDocuments.values [ "lb.example" ]
            "read_only", value "true"
        ]
        "resolver",
        Doc.Section [
            "servers", ConfigDocuments.values [ "127.0.0.1:5353"; "10.0.0.2" ]
            "min_interval", value "500ms"
            "max_interval", value "1m"
            "timeout", value "1s"
        ]
        "drain_timeout", value "1m30s"
        "transport", value "sockets"
        "stats_path", value "/stats"
        "trusted_proxies", ConfigDocuments.values [ "10.0.0.0/8"; "::1" ]
        "metrics", Doc.Section [ "enabled", value "false"; "prometheus", Doc.Section [ "path", value "/m" ] ]
        "access_log",
        Doc.Section [
            "file", value "/var/log/access.log"
            "format", value "json"
            "fields", ConfigDocuments.values [ "status"; "time" ]
            "sample", value "0.25"
            "queue", value "100"
        ]
        "telemetry",
        Doc.Section [
            "endpoint", value "http://10.0.0.5:4317/"
            "protocol", value "grpc"
            "service_name", value "edge"
            "traces", value "false"
            "sample", value "0.5"
            "metrics", value "true"
            "interval", value "10s"
        ]
        "request_id_header", value "X-Request-Id"
        "log", Doc.Section [ "format", value "json"; "level", value "warning" ]
        "pools",
        Doc.Section [
            "web",
            Doc.Section [
                "strategy", value "least-connections"
                "hash_on", value "header:X-Tenant"
                "hash_table", value "ring"
                "hash_balance_factor", value "0"
                "allow", ConfigDocuments.values [ "192.0.2.0/24" ]
                "deny", ConfigDocuments.values [ "192.0.2.7" ]
                "rate_limit",
                Doc.Section [
                    "rate", value "600/m"
                    "burst", value "20"
                    "by", value "header:X-Api-Key"
                    "exempt", ConfigDocuments.values [ "192.0.2.1" ]
                    "max_keys", value "100000"
                ]
                "max_in_flight", value "500"
                "max_body", value "10MB"
                "slow_start", value "30s"
                "sticky_session",
                Doc.Section [
                    "enabled", value "true"
                    "cookie_name", value "sid"
                    "timeout", value "1h"
                    "key", value "file:/key"
                ]
                "backends",
                Doc.Items [
                    value "http://10.0.0.1:8081;weight=3;id=a"
                    Doc.Section [ "url", value "https://b.example/x/"; "id", value "b"; "weight", value "2" ]
                    Doc.Section [ "url", value "http://10.0.0.3"; "backup", value "yes" ]
                ]
                "health_check",
                Doc.Section [
                    "path", value "/up"
                    "interval", value "1s"
                    "timeout", value "500ms"
                    "rise", value "1"
                    "fall", value "5"
                ]
                "retry",
                Doc.Section [
                    "max_retries", value "0"
                    "initial_interval", value "100ms"
                    "max_interval", value "1s"
                    "multiplier", value "1.5"
                    "randomization", value "0.1"
                    "try_timeout", value "2s"
                    "total_timeout", value "5s"
                    "statuses", ConfigDocuments.values [ "502-504" ]
                    "budget", Doc.Section [ "percentage", value "10"; "per_second", value "0.5" ]
                    "buffer", value "64KB"
                ]
                "max_connections", value "100"
                "queue", Doc.Section [ "length", value "10"; "timeout", value "500ms" ]
                "timeouts",
                Doc.Section [
                    "connect", value "1s"
                    "response", value "1h"
                    "idle", value "2m"
                    "request", value "3h"
                ]
                "circuit_breaker",
                Doc.Section [
                    "failure_threshold", value "2"
                    "reset_timeout", value "1s"
                    "max_reset_timeout", value "1m"
                    "half_open_limit", value "1"
                    "failure_statuses", ConfigDocuments.values [ "500-503"; "429" ]
                ]
            ]
            "api", Doc.Section [ "algorithm", value "p2c"; ConfigDocuments.backends ]
        ]
    ]

let private addresses texts =
    texts
    |> List.choose (AddressSet.parse "test" >> Result.toOption)
    |> AddressSet.union

[<Fact>]
let ``Conduit's own shape says everything`` () =
    let expected = {
        Listen = IPEndPoint(IPAddress.Parse "10.0.0.9", 8080)
        Tls = None
        ProxyFrom = AddressSet.empty
        Heads = {
            Line = 4096
            Fields = 65_536
            Count = 50
        }
        Clients = {
            HeaderTimeout = seconds 5.0
            KeepAlive = seconds 60.0
            MinRate = 1024L
            Grace = seconds 20.0
        }
        Admin =
            Some {
                EndPoint = IPEndPoint(IPAddress.Any, 9000)
                Asked = true
                Token = Some(ConfigDocuments.secret "0123456789abcdef")
                Hosts = [ "lb.example" ]
                ReadOnly = true
            }
        Resolver = {
            Servers = [
                IPEndPoint(IPAddress.Loopback, 5353)
                IPEndPoint(IPAddress.Parse "10.0.0.2", 53)
            ]
            MinInterval = seconds 0.5
            MaxInterval = seconds 60.0
            Timeout = seconds 1.0
        }
        Pools = [
            {
                Name = Make.poolName "web"
                Settings = {
                    Strategy = Strategy.LeastConnections
                    Hash = {
                        On = HashOn.Header "X-Tenant"
                        Table = HashTable.Ring
                        BalanceFactor = 0
                    }
                    Admission = {
                        Allow = addresses [ "192.0.2.0/24" ]
                        Deny = addresses [ "192.0.2.7" ]
                        RateLimit =
                            Some {
                                Rate = {
                                    Tokens = 600
                                    Period = TimeSpan.FromMinutes 1.0
                                }
                                Burst = 20
                                By = LimitBy.Header "X-Api-Key"
                                Exempt = addresses [ "192.0.2.1" ]
                                MaxKeys = 100_000
                            }
                        MaxInFlight = 500
                        MaxBody = 10_485_760L
                    }
                    SlowStart = seconds 30.0
                    Sticky =
                        Some {
                            By = StickyBy.Cookie "sid"
                            Timeout = TimeSpan.FromHours 1.0
                            MaxSessions = 65_536
                            CleanupInterval = None
                            Key = Some(ConfigDocuments.secret "0123456789abcdef")
                        }
                    Check = {
                        Probe = Probe.Http "/up"
                        Interval = seconds 1.0
                        Timeout = seconds 0.5
                        Thresholds = { Rise = 1; Fall = 5 }
                    }
                    Retry = {
                        Most = 0
                        BackOff = {
                            Initial = seconds 0.1
                            Longest = seconds 1.0
                            Multiplier = 1.5
                            Randomization = 0.1
                        }
                        TryTimeout = Some(seconds 2.0)
                        TotalTimeout = Some(seconds 5.0)
                        Statuses = StatusSet.range 502 504
                        Budget = { Percentage = 10.0; PerSecond = 0.5 }
                        Buffer = 65536
                    }
                    Timeouts = {
                        Connect = seconds 1.0
                        Response = TimeSpan.FromHours 1.0
                        Idle = TimeSpan.FromMinutes 2.0
                        Request = Some(TimeSpan.FromHours 3.0)
                    }
                    Breaker =
                        Some {
                            FailureThreshold = 2
                            ResetTimeout = seconds 1.0
                            MaxResetTimeout = seconds 60.0
                            HalfOpenLimit = 1
                            FailureStatuses =
                                StatusSet.union [ StatusSet.range 429 429; StatusSet.range 500 503 ]
                        }
                    Upstream = Upstream.defaults
                    Limit =
                        Some {
                            Most = 100
                            QueueLength = 10
                            QueueTimeout = seconds 0.5
                        }
                }
                Backends = [
                    Make.spec "http://10.0.0.1:8081;weight=3;id=a"
                    Make.spec "https://b.example/x;id=b;weight=2"
                    Make.spec "http://10.0.0.3;backup=true"
                ]
            }
            {
                Name = Make.poolName "api"
                Settings = {
                    PoolSettings.defaults with
                        Strategy = Strategy.PowerOfTwoChoices
                }
                Backends = [ Make.spec "http://10.0.0.1:8081" ]
            }
        ]
        Routes = []
        DrainTimeout = seconds 90.0
        StatsPath = Some "/stats"
        Metrics = { Enabled = false; Path = Some "/m" }
        AccessLog =
            Some {
                LogFile = Some "/var/log/access.log"
                Format = LogFormat.Json
                Fields = [ AccessField.Status; AccessField.Time ]
                Sample = 0.25
                Queue = 100
            }
        Telemetry =
            Some {
                Endpoint = "http://10.0.0.5:4317"
                Protocol = OtlpProtocol.Grpc
                ServiceName = "edge"
                Traces = false
                Sample = 0.5
                Metrics = true
                Interval = seconds 10.0
            }
        RequestId = Some(HeaderName.create "test" "X-Request-Id" |> Routing.right)
        TrustForwarded = false
        TrustedProxies = addresses [ "10.0.0.0/8"; "::1" ]
        Transport = Transport.Portable
        LogFormat = LogFormat.Json
        LogLevel = LogLevel.Warning
    }

    let readSecret path =
        if path = "/key" then
            Ok "0123456789abcdef\n"
        else
            Error "there is no such file"

    Assert.Equal(Ok expected, ReadConfig.read readSecret (ConfigDocuments.node full))

[<Fact>]
let ``the flat form and the pool default say the same`` () =
    let pool = [
        ConfigDocuments.backends
        "strategy", value "random"
        "timeouts", Doc.Section [ "idle", value "5s" ]
    ]

    let named = Doc.Section [ "pools", Doc.Section [ "default", Doc.Section pool ] ]
    Assert.Equal(ConfigDocuments.right named, ConfigDocuments.right (Doc.Section pool))

[<Fact>]
let ``the flat form stands beside named pools`` () =
    let config =
        ConfigDocuments.right (
            Doc.Section [
                ConfigDocuments.backends
                "pools", Doc.Section [ "web", Doc.Section [ ConfigDocuments.backends ] ]
            ]
        )

    Assert.Equal<string list>([ "default"; "web" ], config.Pools |> List.map (_.Name >> PoolName.value))

[<Fact>]
let ``a key without a value has its default`` () =
    let config =
        ConfigDocuments.right (
            Doc.Section [ ConfigDocuments.backends; "strategy", Doc.Nothing; "log", Doc.Nothing ]
        )

    Assert.Equal(ConfigDocuments.right (Doc.Section [ ConfigDocuments.backends ]), config)

[<Theory>]
[<InlineData(":3332", "0.0.0.0:3332")>]
[<InlineData("3332", "0.0.0.0:3332")>]
[<InlineData("0.0.0.0:3332", "0.0.0.0:3332")>]
[<InlineData("*:3332", "0.0.0.0:3332")>]
[<InlineData("localhost:3332", "127.0.0.1:3332")>]
[<InlineData("[::1]:3332", "[::1]:3332")>]
let ``a listening address may be one text`` (text: string, expected: string) =
    for key in [ "listen"; "server"; "lb_port" ] do
        let config =
            ConfigDocuments.right (Doc.Section [ key, value text; ConfigDocuments.backends ])

        Assert.Equal(IPEndPoint.Parse expected, config.Listen)

[<Theory>]
[<InlineData("0")>]
[<InlineData("65536")>]
[<InlineData(":")>]
[<InlineData("host:3332")>]
[<InlineData("::1")>]
[<InlineData("1.2.3.4.5:80")>]
[<InlineData("80a")>]
let ``a listening address is refused`` (text: string) =
    let document = Doc.Section [ "listen", value text; ConfigDocuments.backends ]
    Assert.Equal(1, (ConfigDocuments.faults document).Length)

[<Fact>]
let ``no admin port where its port is 0`` () =
    let config =
        ConfigDocuments.right (
            Doc.Section [ ConfigDocuments.backends; "admin", Doc.Section [ "port", value "0" ] ]
        )

    Assert.Equal(None, config.Admin)

[<Fact>]
let ``a token may come from a file, without its line break`` () =
    let document =
        Doc.Section [
            ConfigDocuments.backends
            "admin", Doc.Section [ "token", value "file:/run/secrets/token" ]
        ]
        |> ConfigDocuments.node

    let readSecret path =
        if path = "/run/secrets/token" then
            Ok "0123456789abcdef\n"
        else
            Error "another file"

    match ReadConfig.read readSecret document with
    | Ok config ->
        Assert.Equal(Some(ConfigDocuments.secret "0123456789abcdef"), config.Admin |> Option.bind _.Token)
    | Error faults -> failwith (faults |> List.map Fault.render |> String.concat "\n")

[<Theory>]
[<InlineData("tcp", "", "tcp")>]
[<InlineData("http", "", "/")>]
[<InlineData("http", "/up", "/up")>]
[<InlineData("", "/up", "/up")>]
[<InlineData("", "", "tcp")>]
let ``a path makes an HTTP check`` (kind: string, path: string, expected: string) =
    let given key text =
        key, (if text = "" then Doc.Nothing else value text)

    let config =
        ConfigDocuments.right (
            Doc.Section [
                ConfigDocuments.backends
                "health_check", Doc.Section [ given "type" kind; given "path" path ]
            ]
        )

    Assert.Equal(
        (if expected = "tcp" then Probe.Tcp else Probe.Http expected),
        (defaultPool config).Settings.Check.Probe
    )

[<Fact>]
let ``ten thousand backends are read in time that grows with their number`` () =
    let document =
        Doc.Section [
            "backends",
            ConfigDocuments.values [
                for number in 1..10_000 do
                    $"http://10.{number / 10_000}.{number / 100 % 100}.{number % 100}:8081"
            ]
        ]
        |> ConfigDocuments.node

    let read () =
        ReadConfig.read ConfigDocuments.noSecrets document

    let clock = Diagnostics.Stopwatch.StartNew()
    Assert.Equal(Ok 10_000, read () |> Result.map (fun config -> (defaultPool config).Backends.Length))
    // Many times what it takes: it fails for what grows with the square.
    Assert.True(clock.Elapsed < seconds 5.0, $"it took {clock.Elapsed}")
