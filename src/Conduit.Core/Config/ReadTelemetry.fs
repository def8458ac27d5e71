namespace Conduit

open System
open FsToolkit.ErrorHandling

/// Reads which collector gets traces and metrics.
[<RequireQualifiedAccess>]
module ReadTelemetry =

    let private endpoint: ReadText<string> =
        fun where text ->
            match Uri.TryCreate(text.Trim(), UriKind.Absolute) with
            | true, NonNull uri when
                (uri.Scheme = Uri.UriSchemeHttp || uri.Scheme = Uri.UriSchemeHttps)
                && uri.PathAndQuery = "/"
                && uri.UserInfo = ""
                && uri.Fragment = ""
                ->
                Ok(uri.GetLeftPart UriPartial.Authority)
            | _ ->
                Error(
                    Fault.create
                        where
                        $"{Fault.quote text} is not the URL of a collector"
                        "write scheme, host and port, as in http://localhost:4318"
                )

    let private serviceName: ReadText<string> =
        fun where text ->
            if text.Trim() <> "" && not (Seq.exists Char.IsControl text) then
                Ok(text.Trim())
            else
                Error(Fault.create where $"{Fault.quote text} is not a name" "write one, as in conduit")

    /// The section `telemetry`; nothing unless it is there and on.
    let read (root: Place) : Validation<TelemetryConfig option, Fault> =
        root
        |> Place.section
            "telemetry"
            (fun section -> validation {
                let! () = Place.onlyKnown Keys.telemetry section
                and! on = section |> Place.value "enabled" Scalars.boolean true

                and! endpoint =
                    section |> Place.value "endpoint" endpoint TelemetryConfig.defaultEndpoint

                and! protocol =
                    section
                    |> Place.value "protocol" (Scalars.oneOf OtlpProtocol.names) OtlpProtocol.HttpProtobuf

                and! name =
                    section
                    |> Place.value "service_name" serviceName TelemetryConfig.defaultServiceName

                and! traces = section |> Place.value "traces" Scalars.boolean true
                and! sample = section |> Place.value "sample" (Scalars.number 0.0 1.0) 1.0
                and! metrics = section |> Place.value "metrics" Scalars.boolean true

                and! interval =
                    section
                    |> Place.value
                        "interval"
                        (Duration.parseAtLeast (TimeSpan.FromMilliseconds 100.0))
                        TelemetryConfig.defaultInterval

                return
                    if on then
                        Some {
                            Endpoint = endpoint
                            Protocol = protocol
                            ServiceName = name
                            Traces = traces
                            Sample = sample
                            Metrics = metrics
                            Interval = interval
                        }
                    else
                        None
            })
            None
