namespace Conduit.Server

open System
open System.Text.Json
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Conduit

/// The balancer as a dashboard reads it.
type DashboardBalancer = {
    Uptime: string
    ActiveBackends: int
    TotalBackends: int
    RequestCount: int64
    IsHealthy: bool
}

/// A backend as a dashboard reads it.
type DashboardBackend = {
    Name: string
    URL: string
    IsAlive: bool
    IsReady: bool
    RequestCount: int64
    ErrorCount: int64
    AvgResponseMs: float
    LastCheckedAt: DateTime
    ResponseStatus: string
}

/// What `/api/status` answers; the names are those of the answer.
type DashboardStatus = {
    LoadBalancer: DashboardBalancer
    Backends: DashboardBackend[]
    LastUpdated: DateTime
}

/// The protocol of dashboards that existing systems have: PascalCase JSON, and plain texts as errors.
[<RequireQualifiedAccess>]
module DashboardProtocol =

    /// `1h2m3s`, as Go writes durations.
    let goDuration (span: TimeSpan) =
        let seconds = int64 span.TotalSeconds
        let hours, minutes, seconds = seconds / 3600L, seconds / 60L % 60L, seconds % 60L

        if hours > 0L then $"{hours}h{minutes}m{seconds}s"
        elif minutes > 0L then $"{minutes}m{seconds}s"
        else $"{seconds}s"

    /// In milliseconds, to an eighth: latencies are kept in buckets.
    let private mean (counts: int64[]) =
        let total = Array.sum counts

        if total = 0L then
            0.0
        else
            let sum =
                counts
                |> Seq.indexed
                |> Seq.filter (fun (_, count) -> count > 0L)
                |> Seq.sumBy (fun (index, count) ->
                    float count * (Buckets.upperBound index).TotalMilliseconds)

            Math.Round(sum / float total, 3)

    /// A backend that has not been checked yet stands there with the time of the answer, for dashboards that
    /// want a time.
    let private backend (notes: BackendNotes) (now: DateTime) (target: Target) =
        let backend = target.Backend
        let note = notes.Of(target.Pool, backend.Spec.Id)
        let isAlive = Health.isUp backend.Health
        let isReady = backend.Admin = AdminState.Ready

        {
            Name = BackendId.value backend.Spec.Id
            URL = string backend.Spec.Url
            IsAlive = isAlive
            IsReady = isAlive && isReady
            RequestCount = target.Gauge.Requests
            ErrorCount = target.Gauge.Failures
            AvgResponseMs = mean (target.Gauge.Latency.Read())
            LastCheckedAt = note.LastCheckAt |> Option.map _.UtcDateTime |> Option.defaultValue now
            ResponseStatus =
                if not isAlive then "Offline"
                elif isReady then "Ready"
                else "Not Ready"
        }

    let private targets (ports: ControlPorts) =
        ports.Agent.Current.Pools |> Array.collect _.Targets

    /// `GET /api/status`
    let status (ports: ControlPorts) (http: HttpContext) : Task =
        let now = ports.Clock.GetUtcNow().UtcDateTime
        let targets = targets ports

        let active =
            targets |> Array.filter (fun target -> Backend.isAvailable target.Backend)

        let status = {
            LoadBalancer = {
                Uptime = goDuration (Instant.elapsed Instant.zero (ports.Now()))
                ActiveBackends = active.Length
                TotalBackends = targets.Length
                RequestCount = targets |> Array.sumBy _.Gauge.Requests
                IsHealthy = active.Length > 0 && not ports.Lifetime.IsDraining
            }
            Backends = targets |> Array.map (backend ports.Notes now)
            LastUpdated = now
        }

        http.Response.WriteAsJsonAsync(status, JsonSerializerOptions.Default, http.RequestAborted)

    let private text (http: HttpContext) (status: int) (words: string) : Task =
        http.Response.StatusCode <- status
        http.Response.ContentType <- "text/plain; charset=utf-8"
        http.Response.WriteAsync(words + "\n")

    /// Sets the state wherever the URL stands: readiness is the backend's, and several pools may have
    /// it. Nothing where no pool has it, else whether the state is now what it should be.
    let private set (ports: ControlPorts) (url: BackendUrl) state : Task<bool option> = task {
        do! ports.Writing.WaitAsync()

        try
            let own () =
                targets ports |> Array.filter (fun target -> target.Backend.Spec.Url = url)

            let! _ =
                ports.Agent.Update [
                    for target in own () ->
                        Event.InPool(target.Pool, PoolEvent.AdminSet(target.Backend.Spec.Id, state))
                ]

            return
                match own () with
                | [||] -> None
                | own -> Some(own |> Array.forall (fun target -> target.Backend.Admin = state))
        finally
            ports.Writing.Release() |> ignore
    }

    /// `/api/toggle-backend`. The URL is looked up, never called.
    let toggle (ports: ControlPorts) (http: HttpContext) : Task = task {
        if http.Request.Method <> "POST" then
            http.Response.Headers.Allow <- "POST"
            do! text http 405 "Method not allowed"
        else
            match! Body.read Body.toggle http with
            | Error _ -> do! text http 400 "Invalid request"
            | Ok(url, enable) ->
                match! set ports url (if enable then AdminState.Ready else AdminState.NotReady) with
                | None -> do! text http 400 "Invalid request"
                | Some false -> do! text http 500 "Failed to toggle backend"
                | Some true ->
                    http.Response.ContentType <- "application/json"
                    do! http.Response.WriteAsync "{\"success\": true}\n"
    }
