namespace Conduit

open System
open System.Text.Encodings.Web
open System.Text.Json
open System.Text.Json.Nodes
open System.Text.Json.Serialization

/// The JSON of the admin API, as both its server and its client see it. Names become snake_case.
[<RequireQualifiedAccess>]
module Wire =

    /// In milliseconds; null while nothing was measured.
    type Latency = {
        P50: float option
        P90: float option
        P99: float option
        [<JsonPropertyName "p99_9">]
        P999: float option
    }

    /// What happened in one window of time.
    type Figures = {
        RequestsPerSecond: float
        ErrorsPerSecond: float
        /// Null while no try has ended.
        ErrorRatio: float option
        LatencyMs: Latency
    }

    type Recent = {
        [<JsonPropertyName "10s">]
        TenSeconds: Figures
        [<JsonPropertyName "1m">]
        OneMinute: Figures
        [<JsonPropertyName "5m">]
        FiveMinutes: Figures
    }

    type Backend = {
        Id: string
        Pool: string
        Url: string
        Weight: int
        /// Whether it gets traffic only while no other is available.
        Backup: bool
        State: string
        Health: string
        Breaker: string
        Available: bool
        InFlight: int
        Requests: int64
        Failures: int64
        LatencyMs: Latency
        Recent: Recent
        LastFailure: string option
        LastFailureAt: DateTimeOffset option
        LastCheckAt: DateTimeOffset option
        LastCheckPassed: bool option
        SinceSeconds: float
        Etag: string
    }

    type Backends = {
        Total: int
        Limit: int
        Offset: int
        Backends: Backend[]
    }

    type Pool = {
        Name: string
        Strategy: string
        Backends: int
        Available: int
        InFlight: int
        Requests: int64
        Failures: int64
        Recent: Recent
    }

    type Pools = { Pools: Pool[] }

    type HealthCheck = {
        Probe: string
        Path: string option
        Interval: string
        Timeout: string
        Rise: int
        Fall: int
    }

    type PoolDetail = {
        Name: string
        Strategy: string
        Backends: int
        Available: int
        InFlight: int
        Requests: int64
        Failures: int64
        Recent: Recent
        HealthCheck: HealthCheck
    }

    /// All pools together.
    type Overview = {
        At: DateTimeOffset
        UptimeSeconds: float
        Pools: int
        Backends: int
        Available: int
        InFlight: int
        Requests: int64
        Failures: int64
        Recent: Recent
    }

    type HistoryPoint = {
        At: DateTimeOffset
        RequestsPerSecond: float
        ErrorRatio: float option
        [<JsonPropertyName "p50_ms">]
        P50: float option
        [<JsonPropertyName "p99_ms">]
        P99: float option
        InFlight: int
    }

    type History = {
        StepSeconds: float
        Points: HistoryPoint[]
    }

    /// How many requests a second a backend had, step by step, the newest last.
    type Trend = {
        Pool: string
        Id: string
        RequestsPerSecond: float[]
    }

    type Trends = { StepSeconds: float; Trends: Trend[] }

    /// What the dashboard shows, at one moment.
    type Live = {
        Overview: Overview
        /// The program has begun to stop.
        Draining: bool
        ConfigVersion: int
        /// When a configuration was last refused, if that is newer than the one in force.
        ConfigFailedAt: DateTimeOffset option
        /// The number of the last event; 0 for none.
        LastEvent: int64
        /// The last point of the history.
        Newest: HistoryPoint option
        Pools: Pool[]
        /// All of them, or those that changed.
        Backends: Backend[]
    }

    type Fault = {
        Where: string
        What: string
        Remedy: string
    }

    /// RFC 9457.
    type Problem = {
        Type: string
        Title: string
        Status: int
        Detail: string
        [<JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)>]
        Faults: Fault[] option
    }

    type Reload = { Version: int; Changes: string[] }

    type FailedLoad = { At: DateTimeOffset; Faults: Fault[] }

    type Config = {
        Version: int
        LoadedAt: DateTimeOffset
        Source: string option
        Hash: string option
        Changes: string[]
        LastFailure: FailedLoad option
        Effective: JsonNode
    }

    type Difference = {
        Where: string
        File: string option
        Runtime: string option
    }

    type Differences = { Differences: Difference[] }

    /// One event; which of the parts are there depends on the type.
    type Event = {
        [<JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)>]
        Number: int64 option
        Type: string
        At: DateTimeOffset
        [<JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)>]
        Pool: string option
        [<JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)>]
        Backend: string option
        [<JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)>]
        Url: string option
        [<JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)>]
        State: string option
        [<JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)>]
        Breaker: string option
        [<JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)>]
        Weight: int option
        [<JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)>]
        Reason: string option
        [<JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)>]
        Version: int option
        [<JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)>]
        Changes: string[] option
        [<JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)>]
        Faults: Fault[] option
        [<JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)>]
        Count: int option
    }

    type Events = { Events: Event[] }

    /// A property that stands twice is refused: which of the two counts is anybody's guess.
    let options =
        JsonSerializerOptions(
            PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
            AllowDuplicateProperties = false,
            // Answers are never part of a page; quotation marks may stay what they are.
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping
        )

    let private states = [
        AdminState.Ready, "ready"
        AdminState.NotReady, "not-ready"
        AdminState.Draining, "draining"
        AdminState.Disabled, "disabled"
    ]

    let stateNames = List.map snd states

    let ofState state =
        states |> List.find (fun (known, _) -> known = state) |> snd

    let toState name =
        states |> List.tryFind (fun (_, known) -> known = name) |> Option.map fst

    let ofHealth health =
        match health with
        | Health.Unproven -> "unproven"
        | Health.Up _ -> "up"
        | Health.Down _ -> "down"

    let ofFault (fault: Conduit.Fault) : Fault = {
        Where = fault.Where
        What = fault.What
        Remedy = fault.Remedy
    }

    let ofFaults faults =
        faults |> List.map ofFault |> List.toArray

    let ofDurations durations : Latency =
        let at share =
            Durations.percentile share durations |> Option.map _.TotalMilliseconds

        {
            P50 = at 0.5
            P90 = at 0.9
            P99 = at 0.99
            P999 = at 0.999
        }

    let ofFigures (figures: Conduit.Figures) : Figures = {
        RequestsPerSecond = Math.Round(Figures.requestsPerSecond figures, 3)
        ErrorsPerSecond = Math.Round(Figures.errorsPerSecond figures, 3)
        ErrorRatio = Figures.errorRatio figures
        LatencyMs = ofDurations figures.Sample.Durations
    }
