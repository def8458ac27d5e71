namespace Conduit

open System

/// How OTLP is spoken.
[<RequireQualifiedAccess>]
type OtlpProtocol =
    | Grpc
    | HttpProtobuf

[<RequireQualifiedAccess>]
module OtlpProtocol =

    /// As OpenTelemetry writes them.
    let names = [ "grpc", OtlpProtocol.Grpc; "http/protobuf", OtlpProtocol.HttpProtobuf ]

    let name protocol =
        names |> List.find (fun (_, known) -> known = protocol) |> fst

/// What is told to an OpenTelemetry collector, and to which one.
type TelemetryConfig = {
    /// The collector's URL, without a path.
    Endpoint: string
    Protocol: OtlpProtocol
    ServiceName: string
    Traces: bool
    /// The share of the traces that begin here and are recorded, from 0 to 1. Whoever began a trace before has
    /// decided for it.
    Sample: float
    Metrics: bool
    /// From one export of the metrics to the next.
    Interval: TimeSpan
}

[<RequireQualifiedAccess>]
module TelemetryConfig =

    let defaultEndpoint = "http://localhost:4318"
    let defaultServiceName = "conduit"
    let defaultInterval = TimeSpan.FromSeconds 60.0
