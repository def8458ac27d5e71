namespace Conduit

open System
open System.Threading
open System.Threading.Tasks

/// Names a pool.
[<Struct>]
type PoolName = private PoolName of string

[<RequireQualifiedAccess>]
module PoolName =

    /// The pool that `--backends` and the flat form of the configuration describe.
    let defaultPool = PoolName "default"

    let value (PoolName name) = name

    /// 1 to 64 letters, digits, dots, dashes and underscores.
    let create where (text: string) : Result<PoolName, Fault> =
        let isPart c =
            Char.IsAsciiLetterOrDigit c || c = '.' || c = '-' || c = '_'

        if text.Length >= 1 && text.Length <= 64 && Seq.forall isPart text then
            Ok(PoolName text)
        else
            Error(
                Fault.create
                    where
                    $"{Fault.quote text} cannot name a pool"
                    "use 1 to 64 letters, digits, dots, dashes and underscores"
            )

/// A health check of your own.
type IBackendCheck =
    /// How the API calls it.
    abstract Name: string

    /// Nothing when the backend at the URL is well, else why it is not, in a few words. It has the pool's
    /// `health_check.timeout`; after that, and when it throws, the check has failed.
    abstract Check: url: Uri * cancellation: CancellationToken -> Task<string | null>

/// What a health check does.
[<RequireQualifiedAccess>]
type Probe =
    /// Passes when a TCP connection is accepted.
    | Tcp
    /// Passes when `GET path` answers with a status from 200 to 399.
    | Http of path: string
    /// As someone outside says.
    | Custom of IBackendCheck

type HealthCheck = {
    Probe: Probe
    /// Time from the start of one check to the start of the next, before jitter.
    Interval: TimeSpan
    Timeout: TimeSpan
    Thresholds: Thresholds
}

type Timeouts = {
    /// For a connection to the backend.
    Connect: TimeSpan
    /// From the request's sending to the end of the response's headers.
    Response: TimeSpan
    /// Without progress on a body, either way. Never a limit on a whole transfer.
    Idle: TimeSpan
    /// For a request as a whole, from its head to the end of its answer, with all tries. Tunnels have none.
    Request: TimeSpan option
}

/// How many requests may be in flight on a backend at once, and what becomes of those beyond.
type ConnectionLimit = {
    /// For each backend, at least 1.
    Most: int
    /// Requests of the pool that may wait for a place, 0 or more.
    QueueLength: int
    /// How long each may wait.
    QueueTimeout: TimeSpan
}

/// The policies of a pool.
type PoolSettings = {
    Strategy: Strategy
    /// For the strategies that hash.
    Hash: HashSettings
    Admission: AdmissionSettings
    /// How long a backend that came back, or joined a running pool, takes to get all of its share.
    SlowStart: TimeSpan
    /// Whether clients stay with their backends.
    Sticky: StickySettings option
    Check: HealthCheck
    Retry: RetrySettings
    Timeouts: Timeouts
    /// Without one only health checks and failures to answer take a backend out.
    Breaker: BreakerSettings option
    Upstream: Upstream
    /// Without it requests in flight are not limited.
    Limit: ConnectionLimit option
}

[<RequireQualifiedAccess>]
module PoolSettings =

    let defaults = {
        Strategy = Strategy.RoundRobin
        Hash = {
            On = HashOn.Path
            Table = HashTable.Maglev
            BalanceFactor = 125
        }
        Admission = AdmissionSettings.everyone
        SlowStart = TimeSpan.Zero
        Sticky = None
        Check = {
            Probe = Probe.Tcp
            Interval = TimeSpan.FromSeconds 5.0
            Timeout = TimeSpan.FromSeconds 2.0
            Thresholds = { Rise = 2; Fall = 3 }
        }
        Retry = Retry.defaults
        Timeouts = {
            Connect = TimeSpan.FromSeconds 2.0
            Response = TimeSpan.FromSeconds 30.0
            Idle = TimeSpan.FromSeconds 60.0
            Request = None
        }
        Breaker = None
        Upstream = Upstream.defaults
        Limit = None
    }

    /// Answers of these statuses count against a backend.
    let failureStatuses settings =
        match settings.Breaker with
        | Some breaker -> breaker.FailureStatuses
        | None -> StatusSet.empty

    /// How long nothing will have changed where no backend is available: by then one may have been checked
    /// again, or tried.
    let retryAfter settings =
        match settings.Breaker with
        | Some breaker -> min breaker.ResetTimeout settings.Check.Interval
        | None -> settings.Check.Interval
