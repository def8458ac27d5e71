namespace Conduit

open System
open System.Net

[<RequireQualifiedAccess>]
type LogLevel =
    | Debug
    | Info
    | Warning
    | Error

/// What carries connections: those of clients, and those to backends.
[<RequireQualifiedAccess>]
type Transport =
    /// What is best on the system.
    | Auto
    /// Event loops of Conduit's own, and its own client for cleartext backends. Linux alone has what they
    /// are made of.
    | Epoll
    /// What .NET has for every system, and Conduit's own client over it.
    | Portable
    /// What .NET has, and its client for all backends.
    | Library

/// The admin port.
type AdminConfig = {
    EndPoint: IPEndPoint
    /// Whether somebody asked for this port; a default port that is taken is only a warning.
    Asked: bool
    Token: Secret option
    /// Names, besides addresses and localhost, by which browsers may call it.
    Hosts: string list
    /// Whether it only shows, and changes nothing.
    ReadOnly: bool
}

/// How the names of backends are followed.
type ResolverSettings = {
    /// The name servers that are asked; the system's resolver where there are none.
    Servers: IPEndPoint list
    /// A name is asked for again when its answer is no longer good, but not sooner than this.
    MinInterval: TimeSpan
    /// Nor later than this.
    MaxInterval: TimeSpan
    /// For one question.
    Timeout: TimeSpan
}

[<RequireQualifiedAccess>]
module ResolverSettings =

    let defaults = {
        Servers = []
        MinInterval = TimeSpan.FromSeconds 1.0
        MaxInterval = TimeSpan.FromSeconds 10.0
        Timeout = TimeSpan.FromSeconds 2.0
    }

/// A pool as configured.
type PoolConfig = {
    Name: PoolName
    Settings: PoolSettings
    Backends: BackendSpec list
}

/// What is told of the traffic in numbers.
type MetricsConfig = {
    /// Whether requests are counted.
    Enabled: bool
    /// A path of the traffic port that answers with the metrics.
    Path: string option
}

/// All that a running balancer goes by; every value in it is valid.
type Config = {
    Listen: IPEndPoint
    /// TLS on the traffic port.
    Tls: TlsConfig option
    /// Whose connections to the traffic port begin with a header of the PROXY protocol.
    ProxyFrom: AddressSet
    /// How large the heads of requests to the traffic port may be.
    Heads: HeadLimits
    Clients: ClientLimits
    Admin: AdminConfig option
    Resolver: ResolverSettings
    /// At least one, with different names.
    Pools: PoolConfig list
    /// Their pools are among `Pools`; no two match the same or have the same name.
    Routes: Route list
    /// How long requests in flight may take to finish when the program is told to stop.
    DrainTimeout: TimeSpan
    /// A path of the traffic port that answers with the statistics.
    StatsPath: string option
    Metrics: MetricsConfig
    AccessLog: AccessLogConfig option
    Telemetry: TelemetryConfig option
    /// The header by which requests are known; nothing where they get none.
    RequestId: HeaderName option
    /// Whether `X-Forwarded-*` from anybody is believed.
    TrustForwarded: bool
    /// Those whose `X-Forwarded-*` is believed, and who tell a client's address by it.
    TrustedProxies: AddressSet
    Transport: Transport
    LogFormat: LogFormat
    LogLevel: LogLevel
}

[<RequireQualifiedAccess>]
module Config =

    let defaultPort = 3030
    let defaultAdminPort = 8090
    let defaultMetricsPath = "/metrics"
    let defaultDrainTimeout = TimeSpan.FromSeconds 10.0

    /// The pools whose sessions are signed with a key that nobody has given.
    let withoutKey config =
        config.Pools
        |> List.filter (fun pool ->
            match pool.Settings.Sticky with
            | Some { By = StickyBy.Cookie _; Key = None } -> true
            | _ -> false)
        |> List.map _.Name

    /// The pool of that name, if it is configured.
    let pool name config =
        config.Pools |> List.tryFind (fun pool -> pool.Name = name)
