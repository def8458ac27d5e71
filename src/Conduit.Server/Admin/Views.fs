namespace Conduit.Server

open System
open System.Security.Cryptography
open System.Text
open Conduit

/// The state as the admin API shows it.
[<RequireQualifiedAccess>]
module Views =

    /// Names what is configured of a backend (URL, weight, backup, state), so that a change can be made to
    /// depend on it. Live figures are not part of it: they change with every request.
    let etag (backend: Backend) =
        let configured =
            $"{backend.Spec.Url}\n{Weight.value backend.Spec.Weight}\n{backend.Spec.Backup}\n{Wire.ofState backend.Admin}"

        let digest = SHA256.HashData(Encoding.UTF8.GetBytes configured)
        $"\"{Convert.ToHexStringLower(digest.AsSpan(0, 8))}\""

    let backend (ports: ControlPorts) (target: Target) : Wire.Backend =
        let backend, gauge = target.Backend, target.Gauge
        let note = ports.Notes.Of(target.Pool, backend.Spec.Id)

        {
            Id = BackendId.value backend.Spec.Id
            Pool = PoolName.value target.Pool
            Url = string backend.Spec.Url
            Weight = Weight.value backend.Spec.Weight
            Backup = backend.Spec.Backup
            State = Wire.ofState backend.Admin
            Health = Wire.ofHealth backend.Health
            Breaker = Breaker.name backend.Breaker
            Available = Backend.isAvailable backend
            InFlight = gauge.InFlight
            Requests = gauge.Requests
            Failures = gauge.Failures
            LatencyMs = Wire.ofDurations (Durations.ofCounts (gauge.Latency.Read()))
            Recent = Recent.toWire (ports.Figures.Backend target)
            LastFailure = backend.LastFailure
            LastFailureAt = note.LastFailureAt
            LastCheckAt = note.LastCheckAt
            LastCheckPassed = note.LastCheckPassed
            SinceSeconds = Math.Round((Instant.elapsed backend.Since (ports.Now())).TotalSeconds, 3)
            Etag = etag backend
        }

    let private sum (figure: Gauge -> int64) (view: PoolView) =
        view.Targets |> Array.sumBy (fun target -> figure target.Gauge)

    let pool (ports: ControlPorts) (view: PoolView) : Wire.Pool = {
        Name = PoolName.value view.Source.Name
        Strategy = Strategy.name view.Source.Settings.Strategy
        Backends = view.Targets.Length
        Available = view.Available.Length
        InFlight = int (sum (_.InFlight >> int64) view)
        Requests = sum _.Requests view
        Failures = sum _.Failures view
        Recent = Recent.toWire (ports.Figures.Pool view.Source.Name)
    }

    let overview (ports: ControlPorts) : Wire.Overview =
        let views = ports.Agent.Current.Pools

        {
            At = ports.Clock.GetUtcNow()
            UptimeSeconds = Math.Round((Instant.elapsed Instant.zero (ports.Now())).TotalSeconds, 3)
            Pools = views.Length
            Backends = views |> Array.sumBy _.Targets.Length
            Available = views |> Array.sumBy _.Available.Length
            InFlight = int (views |> Array.sumBy (sum (_.InFlight >> int64)))
            Requests = views |> Array.sumBy (sum _.Requests)
            Failures = views |> Array.sumBy (sum _.Failures)
            Recent = Recent.toWire ports.Figures.Overall
        }

    let private historyPoint (point: HistoryPoint) : Wire.HistoryPoint =
        let latency share =
            Figures.latency share point.Figures |> Option.map _.TotalMilliseconds

        {
            At = point.At
            RequestsPerSecond = Math.Round(Figures.requestsPerSecond point.Figures, 3)
            ErrorRatio = Figures.errorRatio point.Figures
            P50 = latency 0.5
            P99 = latency 0.99
            InFlight = point.InFlight
        }

    let history (ports: ControlPorts) : Wire.History = {
        StepSeconds = ports.Figures.HistoryStep.TotalSeconds
        Points = ports.Figures.History |> Array.map historyPoint
    }

    let private healthCheck (check: HealthCheck) : Wire.HealthCheck =
        let probe, path =
            match check.Probe with
            | Probe.Tcp -> "tcp", None
            | Probe.Custom own -> own.Name, None
            | Probe.Http path -> "http", Some path

        {
            Probe = probe
            Path = path
            Interval = Duration.format check.Interval
            Timeout = Duration.format check.Timeout
            Rise = check.Thresholds.Rise
            Fall = check.Thresholds.Fall
        }

    let poolDetail (ports: ControlPorts) (view: PoolView) : Wire.PoolDetail =
        let figures = pool ports view

        {
            Name = figures.Name
            Strategy = figures.Strategy
            Backends = figures.Backends
            Available = figures.Available
            InFlight = figures.InFlight
            Requests = figures.Requests
            Failures = figures.Failures
            Recent = figures.Recent
            HealthCheck = healthCheck view.Source.Settings.Check
        }

    let config (status: ConfigStatus) effective : Wire.Config = {
        Version = status.Version
        LoadedAt = status.LoadedAt
        Source = status.Source
        Hash = status.Hash
        Changes = List.toArray status.Changes
        LastFailure =
            status.LastFailure
            |> Option.map (fun failure -> {
                At = failure.At
                Faults = Wire.ofFaults failure.Faults
            })
        Effective = effective
    }

    let private ofNumber (value: float32) =
        if Single.IsNaN value then
            None
        else
            Some(Math.Round(float value, 4))

    let private coursePoint (struct (at: DateTimeOffset, step: CourseStep)) : Wire.HistoryPoint = {
        At = at
        RequestsPerSecond = Math.Round(float step.RequestsPerSecond, 3)
        ErrorRatio = ofNumber step.ErrorRatio
        P50 = ofNumber step.P50
        P99 = ofNumber step.P99
        InFlight = step.InFlight
    }

    /// The history of one backend.
    let course (ports: ControlPorts) (target: Target) : Wire.History = {
        StepSeconds = ports.Figures.HistoryStep.TotalSeconds
        Points = ports.Figures.Course(target, Int32.MaxValue) |> Array.map coursePoint
    }

    /// The last five minutes of every backend that has had a request.
    let trends (ports: ControlPorts) : Wire.Trends =
        let most = int (300.0 / ports.Figures.HistoryStep.TotalSeconds)

        let trend (target: Target) : Wire.Trend = {
            Pool = PoolName.value target.Pool
            Id = BackendId.value target.Backend.Spec.Id
            RequestsPerSecond =
                ports.Figures.Course(target, most)
                |> Array.map (fun (struct (_, step)) -> Math.Round(float step.RequestsPerSecond, 1))
        }

        {
            StepSeconds = ports.Figures.HistoryStep.TotalSeconds
            Trends =
                ports.Agent.Current.Pools
                |> Array.collect _.Targets
                |> Array.filter (fun target -> target.Gauge.Requests > 0L)
                |> Array.map trend
        }

    /// All figures of this moment.
    let live (ports: ControlPorts) : Wire.Live =
        let status, pools = ports.ConfigStatus(), ports.Agent.Current.Pools

        {
            Overview = overview ports
            Draining = ports.Lifetime.IsDraining
            ConfigVersion = status.Version
            ConfigFailedAt = status.LastFailure |> Option.map _.At
            LastEvent = ports.Events.Last
            Newest = ports.Figures.History |> Array.tryLast |> Option.map historyPoint
            Pools = pools |> Array.map (pool ports)
            Backends = pools |> Array.collect _.Targets |> Array.map (backend ports)
        }

    let difference (difference: Drift) : Wire.Difference = {
        Where = difference.Where
        File = difference.Configured
        Runtime = difference.Running
    }

    let private nothing kind at : Wire.Event = {
        Number = None
        Type = kind
        At = at
        Pool = None
        Backend = None
        Url = None
        State = None
        Breaker = None
        Weight = None
        Reason = None
        Version = None
        Changes = None
        Faults = None
        Count = None
    }

    let private change at change : Wire.Event =
        let about kind pool (spec: BackendSpec) = {
            nothing kind at with
                Pool = Some(PoolName.value pool)
                Backend = Some(BackendId.value spec.Id)
                Url = Some(string spec.Url)
        }

        match change with
        | Change.Added(pool, spec) -> {
            about "backend_added" pool spec with
                Weight = Some(Weight.value spec.Weight)
          }
        | Change.Removed(pool, spec) -> about "backend_removed" pool spec
        | Change.WentUp(pool, spec) -> about "backend_up" pool spec
        | Change.WentDown(pool, spec, reason) -> {
            about "backend_down" pool spec with
                Reason = Some reason
          }
        | Change.AdminChanged(pool, spec, state) -> {
            about "backend_state" pool spec with
                State = Some(Wire.ofState state)
          }
        | Change.BreakerTurned(pool, spec, breaker, reason) -> {
            about "backend_breaker" pool spec with
                Breaker = Some(Breaker.name breaker)
                Reason = reason
          }
        | Change.WeightChanged(pool, spec) -> {
            about "backend_weight" pool spec with
                Weight = Some(Weight.value spec.Weight)
          }

    /// An event as the stream tells it.
    let event (numbered: NumberedEvent) : Wire.Event =
        match numbered.Event with
        | ControlEvent.Changed news -> change numbered.At news
        | ControlEvent.Reloaded report -> {
            nothing "reloaded" numbered.At with
                Version = Some report.Version
                Changes = Some(List.toArray report.Changes)
          }
        | ControlEvent.ReloadFailed faults -> {
            nothing "reload_failed" numbered.At with
                Faults = Some(Wire.ofFaults faults)
          }
        | ControlEvent.Stopping -> nothing "stopping" numbered.At

    /// An event of the past, with its number.
    let pastEvent (numbered: NumberedEvent) : Wire.Event = {
        event numbered with
            Number = Some numbered.Number
    }

    /// Tells a client that is too slow how many events it missed.
    let dropped at count : Wire.Event = {
        nothing "dropped" at with
            Count = Some count
    }
