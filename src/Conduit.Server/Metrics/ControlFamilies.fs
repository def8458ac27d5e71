namespace Conduit.Server

open System
open System.Threading
open Conduit

/// IMPURE: how many reloads there were, by how they ended.
[<Sealed>]
type ReloadCounts(events: ControlEvents) =
    let applied, refused = Counter(), Counter()

    let subscription =
        events.Subscribe(fun event ->
            match event.Event with
            | ControlEvent.Reloaded _ -> applied.Add 1L
            | ControlEvent.ReloadFailed _ -> refused.Add 1L
            | _ -> ())

    member _.Applied = applied.Value
    member _.Refused = refused.Value

    interface IDisposable with
        member _.Dispose() = subscription.Dispose()

/// What the families of the control plane are read from.
[<NoEquality; NoComparison>]
type ControlReadings = {
    ConfigStatus: unit -> ConfigStatus
    Reloads: ReloadCounts
    /// Why connections of HTTP/2 were ended.
    Endings: Http2Endings
    /// How long health checks took.
    Checks: TimeHistogram
    IsDraining: unit -> bool
    /// Requests that clients have in flight.
    InFlight: unit -> int
    /// Connections that clients have open.
    Connections: unit -> int
    Certificates: unit -> CertificateStatus list
    Handshakes: HandshakeCounts
    AccessLines: AccessLines
}

/// What metrics tell of the configuration, of health checks and of the side of the clients.
[<RequireQualifiedAccess>]
module ControlFamilies =

    let all (readings: ControlReadings) : Family list = [
        Family.gauge
            "lb_client_connections"
            "Connections that clients have open."
            (Family.one (readings.Connections >> float))
        Family.gauge
            "lb_client_requests_in_flight"
            "Requests that have begun and not ended."
            (Family.one (readings.InFlight >> float))
        Family.counter
            "lb_http2_connections_ended_total"
            "Connections of HTTP/2 that were ended for what their clients did, by reason."
            (fun () ->
                readings.Endings.Counts
                |> Seq.map (fun (reason, count) -> [ "reason", reason ], float count))
        Family.histogram
            "lb_health_check_seconds"
            "Time that health checks took."
            readings.Checks.Bounds
            (fun () -> Seq.singleton ([], readings.Checks.Read()))
        Family.gauge
            "lb_config_version"
            "How many configurations have taken effect."
            (Family.one (fun () -> float (readings.ConfigStatus()).Version))
        Family.gauge
            "lb_config_loaded_timestamp_seconds"
            "When the configuration took effect, in seconds since 1970."
            (Family.one (fun () ->
                float ((readings.ConfigStatus()).LoadedAt.ToUnixTimeMilliseconds()) / 1000.0))
        Family.gauge
            "lb_config_last_reload_successful"
            "Whether the last attempt to change the configuration took effect: 1 or 0."
            (Family.one (fun () -> Family.flag (readings.ConfigStatus()).LastFailure.IsNone))
        Family.counter "lb_config_reloads_total" "Attempts to change the configuration, by result." (fun () -> seq {
            [ "result", "applied" ], float readings.Reloads.Applied
            [ "result", "refused" ], float readings.Reloads.Refused
        })
        Family.gauge
            "lb_tls_certificate_expiry_timestamp_seconds"
            "When the certificate expires, in seconds since 1970."
            (fun () ->
                readings.Certificates()
                |> Seq.map (fun each -> [ "file", each.File ], float (each.NotAfter.ToUnixTimeSeconds())))
        Family.counter
            "lb_access_log_lines_total"
            "Lines of the access log, by what became of them."
            (fun () -> seq {
                [ "result", "written" ], float readings.AccessLines.Written.Value
                [ "result", "dropped" ], float readings.AccessLines.Dropped.Value
            })
        Family.counter "lb_tls_handshakes_total" "TLS handshakes with clients, by result." (fun () -> seq {
            [ "result", "completed" ], float readings.Handshakes.Completed.Value
            [ "result", "failed" ], float readings.Handshakes.Failed.Value
        })
        Family.gauge
            "lb_draining"
            "Whether the program is on its way out: 1 or 0."
            (Family.one (readings.IsDraining >> Family.flag))
    ]
