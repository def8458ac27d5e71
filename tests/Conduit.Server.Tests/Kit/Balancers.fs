namespace Conduit.Server.Tests

open System
open System.Net
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

/// What a test says of its balancer: one pool, as most tests need it.
type Settings = {
    Listen: IPEndPoint
    Tls: TlsConfig option
    ProxyFrom: AddressSet
    Heads: HeadLimits
    Clients: ClientLimits
    Admin: AdminConfig option
    Backends: BackendSpec list
    Pool: PoolSettings
    DrainTimeout: TimeSpan
    StatsPath: string option
    Metrics: MetricsConfig
    AccessLog: AccessLogConfig option
    Telemetry: TelemetryConfig option
    RequestId: HeaderName option
    TrustForwarded: bool
    TrustedProxies: AddressSet
}

/// A balancer under test.
[<Sealed>]
type Running(balancer: LoadBalancer, log: CapturedLog) =
    let stopped = lazy (balancer.Stop())

    let targets () = balancer.Agent.Current.Pools[0].Targets

    member _.Balancer = balancer
    member _.Log = log
    member _.Url = balancer.Url
    member _.Port = Uri(balancer.Url).Port

    member _.AdminUrl =
        balancer.AdminUrl |> Option.defaultWith (fun () -> failwith "no admin port")

    /// The backends, in the order in which they were given.
    member _.Backends = targets () |> Array.map _.Backend

    /// Requests in flight, over all backends.
    member _.InFlight = targets () |> Array.sumBy _.Gauge.InFlight

    /// Failures that were counted against each backend.
    member _.Failures = targets () |> Array.map _.Gauge.Failures

    member _.Connect() =
        RawClient.Connect(Uri(balancer.Url).Port)

    /// Sends a request on a connection of its own and reads the response.
    member this.Ask(request: string) : Task<Message> = task {
        use! client = this.Connect()
        return! client.Ask request
    }

    member this.Get(target: string) : Task<Message> =
        this.Ask $"GET {target} HTTP/1.1\r\nHost: conduit.test\r\n\r\n"

    /// Stops the balancer, once however often it is asked for; gives the requests that were cut off.
    member _.Stop() : Task<int> = stopped.Value

    interface IAsyncDisposable with
        member _.DisposeAsync() = ValueTask stopped.Value

/// Starting and stopping balancers.
[<RequireQualifiedAccess>]
module Balancers =

    let private spec text =
        match BackendSpec.parse "test" text with
        | Ok spec -> spec
        | Error faults -> failwith (faults |> List.map Fault.render |> String.concat "\n")

    /// Settings for a test: backends are checked once, at the start; timeouts are longer than any test
    /// takes, and there is no admin port.
    let settings (backends: string list) : Settings = {
        Listen = IPEndPoint(IPAddress.Loopback, 0)
        Tls = None
        ProxyFrom = AddressSet.empty
        Heads = HeadLimits.defaults
        Clients = ClientLimits.defaults
        Admin = None
        Backends = backends |> List.map spec
        Pool = {
            PoolSettings.defaults with
                Strategy = Strategy.RoundRobin
                Check = {
                    Probe = Probe.Tcp
                    Interval = TimeSpan.FromHours 1.0
                    Timeout = TimeSpan.FromSeconds 5.0
                    Thresholds = { Rise = 1; Fall = 1000 }
                }
                Timeouts = {
                    Connect = TimeSpan.FromSeconds 5.0
                    Response = Eventually.patience
                    Idle = Eventually.patience
                    Request = None
                }
        }
        DrainTimeout = TimeSpan.Zero
        StatsPath = None
        Metrics = { Enabled = true; Path = None }
        AccessLog = None
        Telemetry = None
        RequestId = None
        TrustForwarded = false
        TrustedProxies = AddressSet.empty
    }

    /// What CONDUIT_TEST_TRANSPORT names; else what is usual.
    let private transport =
        match Environment.GetEnvironmentVariable "CONDUIT_TEST_TRANSPORT" with
        | null
        | "" -> Transport.Auto
        | "epoll" -> Transport.Epoll
        | "sockets" -> Transport.Portable
        | "httpclient" -> Transport.Library
        | other -> failwith $"CONDUIT_TEST_TRANSPORT={other} is no transport"

    let private config (settings: Settings) : Config = {
        Listen = settings.Listen
        Tls = settings.Tls
        ProxyFrom = settings.ProxyFrom
        Heads = settings.Heads
        Clients = settings.Clients
        Admin = settings.Admin
        Resolver = ResolverSettings.defaults
        Pools = [
            {
                Name = PoolName.defaultPool
                Settings = settings.Pool
                Backends = settings.Backends
            }
        ]
        Routes = []
        DrainTimeout = settings.DrainTimeout
        StatsPath = settings.StatsPath
        Metrics = settings.Metrics
        AccessLog = settings.AccessLog
        Telemetry = settings.Telemetry
        RequestId = settings.RequestId
        TrustForwarded = settings.TrustForwarded
        TrustedProxies = settings.TrustedProxies
        Transport = transport
        LogFormat = LogFormat.Text
        LogLevel = LogLevel.Debug
    }

    let withTimeouts (change: Timeouts -> Timeouts) (settings: Settings) = {
        settings with
            Pool = {
                settings.Pool with
                    Timeouts = change settings.Pool.Timeouts
            }
    }

    /// An admin port, on a free port of the loopback.
    let withAdmin (settings: Settings) = {
        settings with
            Admin =
                Some {
                    EndPoint = IPEndPoint(IPAddress.Loopback, 0)
                    Asked = true
                    Token = None
                    Hosts = []
                    ReadOnly = false
                }
    }

    /// Why a balancer did not start.
    let reason failure =
        match failure with
        | StartFailure.Configuration faults -> faults |> List.map Fault.render |> String.concat "\n"
        | StartFailure.Port fault -> Fault.render fault

    /// The only place that starts a balancer, and so the one that would choose its transport.
    let start (log: CapturedLog) (settings: Settings) : Task<Running> = task {
        match!
            LoadBalancer.Run(
                { File = None; Overlay = [] },
                {
                    Config = config settings
                    Hash = None
                    Stamp = None
                    Places = PortPlaces.unsaid
                },
                log.Factory
            )
        with
        | Ok balancer -> return Running(balancer, log)
        | Error failure -> return failwith (reason failure)
    }

    /// Waits for the first checks and then brings every backend up, also one that refused.
    let private bringUp (running: Running) : Task = task {
        do!
            Eventually.holds "the first checks are done" (fun () ->
                running.Backends
                |> Array.forall (fun backend -> backend.Health <> Health.Unproven))

        let passes = [
            for backend in running.Backends do
                Event.InPool(PoolName.defaultPool, PoolEvent.Checked(backend.Spec.Id, None))
        ]

        let! _ = running.Balancer.Agent.Update passes
        ()
    }

    /// What must hold after every test: each lease was given back, and the program found no defect
    /// in itself.
    let private settled (running: Running) : Task = task {
        do! Eventually.holds "no request is in flight any more" (fun () -> running.InFlight = 0)
        Assert.True(running.Log.Errors.IsEmpty, String.concat "\n" running.Log.Errors)
    }

    /// Runs a test with a balancer whose backends' health is as `settings` make it.
    let runWith (settings: Settings) (test: Running -> Task) : Task = task {
        use log = new CapturedLog()
        use! running = start log settings
        do! test running
        do! settled running
    }

    /// Runs a test with a balancer in front of backends that all count as up when it begins.
    let run (change: Settings -> Settings) (urls: string list) (test: Running -> Task) : Task =
        runWith (change (settings urls)) (fun running -> task {
            do! bringUp running
            do! test running
        })

    /// Runs a test with a balancer in front of one backend that follows a script.
    let withOne (script: Script) (test: ScriptedBackend -> Running -> Task) : Task = task {
        use backend = ScriptedBackend.Start script
        do! run id [ backend.Url ] (test backend)
        Assert.Empty backend.Failures
    }

    /// The same, with other settings.
    let withOneAnd change (script: Script) (test: ScriptedBackend -> Running -> Task) : Task = task {
        use backend = ScriptedBackend.Start script
        do! run change [ backend.Url ] (test backend)
        Assert.Empty backend.Failures
    }
