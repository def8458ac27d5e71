namespace Conduit.Server

open System
open System.Collections.Generic
open System.Diagnostics
open System.Diagnostics.Metrics
open System.Threading.Tasks
open OpenTelemetry
open OpenTelemetry.Exporter
open OpenTelemetry.Metrics
open OpenTelemetry.Resources
open OpenTelemetry.Trace
open Conduit

/// IMPURE: tells a collector of requests, by OTLP. Where it is not asked for there is none of it, and nothing on
/// the way of a request knows of it.
[<Sealed>]
type Telemetry(config: TelemetryConfig) =

    let spans = new ActivitySource(Spans.source)
    let meter = new Meter(Spans.source)

    /// The bounds that the semantic conventions advise, in seconds.
    let advice =
        InstrumentAdvice<float>(
            HistogramBucketBoundaries = [|
                0.005
                0.01
                0.025
                0.05
                0.075
                0.1
                0.25
                0.5
                0.75
                1.0
                2.5
                5.0
                7.5
                10.0
            |]
        )

    let requests =
        meter.CreateHistogram<float>(
            "http.server.request.duration",
            "s",
            "Duration of HTTP server requests.",
            null,
            advice
        )

    let tries =
        meter.CreateHistogram<float>(
            "http.client.request.duration",
            "s",
            "Duration of HTTP client requests.",
            null,
            advice
        )

    let resource () =
        ResourceBuilder
            .CreateDefault()
            .AddService(config.ServiceName, serviceVersion = ProcessFamilies.version)

    /// Over http each kind of data has a path of its own, which has to be said where the endpoint is.
    let export (path: string) (options: OtlpExporterOptions) =
        match config.Protocol with
        | OtlpProtocol.Grpc ->
            options.Protocol <- OtlpExportProtocol.Grpc
            options.Endpoint <- Uri config.Endpoint
        | OtlpProtocol.HttpProtobuf ->
            options.Protocol <- OtlpExportProtocol.HttpProtobuf
            options.Endpoint <- Uri(config.Endpoint + path)

    let tracing: TracerProvider | null =
        if config.Traces then
            Sdk
                .CreateTracerProviderBuilder()
                .SetResourceBuilder(resource ())
                .SetSampler(ParentBasedSampler(TraceIdRatioBasedSampler config.Sample))
                .AddSource(Spans.source)
                .AddOtlpExporter(fun (options: OtlpExporterOptions) -> export "/v1/traces" options)
                .Build()
        else
            null

    let metering: MeterProvider | null =
        if config.Metrics then
            Sdk
                .CreateMeterProviderBuilder()
                .SetResourceBuilder(resource ())
                .AddMeter(Spans.source)
                .AddOtlpExporter(fun (options: OtlpExporterOptions) (reader: MetricReaderOptions) ->
                    export "/v1/metrics" options

                    reader.PeriodicExportingMetricReaderOptions.ExportIntervalMilliseconds <-
                        Nullable(int config.Interval.TotalMilliseconds))
                .Build()
        else
            null

    let tag (name: string) (value: obj) =
        KeyValuePair<string, obj | null>(name, value)

    /// Serves a request within a span.
    member _.Around (serve: Exchange -> Task) (exchange: Exchange) : Task = task {
        let request = exchange.Http.Request
        let began = Stopwatch.GetTimestamp()
        let span = Spans.beginRequest spans exchange
        let method = Spans.knownMethod request.Method
        let scheme, version = request.Scheme, Spans.protocolVersion request

        try
            do! serve exchange
        finally
            requests.Record(
                (Stopwatch.GetElapsedTime began).TotalSeconds,
                [|
                    tag "http.request.method" method
                    tag "http.response.status_code" (Account.status exchange)
                    tag "url.scheme" scheme
                    tag "network.protocol.version" version
                |]
            )

            match span with
            | null -> ()
            | span -> Spans.endRequest span exchange
    }

    /// Makes each try within a span, of which the backend is told.
    member _.Trying(forwarder: IForwarder) : IForwarder =
        let forward (exchange: Exchange) (target: Target) timeouts passage = task {
            let began = Stopwatch.GetTimestamp()
            use span = Spans.beginTry spans exchange target passage
            let! result = forwarder.Forward(exchange, target, timeouts, passage)
            let url = target.Backend.Spec.Url

            tries.Record(
                (Stopwatch.GetElapsedTime began).TotalSeconds,
                [|
                    tag "http.request.method" (Spans.knownMethod exchange.Http.Request.Method)
                    tag "server.address" url.Host
                    tag "server.port" url.Port
                |]
            )

            match span with
            | null -> ()
            | span -> Spans.endTry span result.Outcome

            return result
        }

        {
            new IForwarder with
                member _.Forward(exchange, target, timeouts, passage) =
                    ValueTask<TryResult>(forward exchange target timeouts passage)
            interface IDisposable with
                member _.Dispose() = forwarder.Dispose()
        }

    interface IDisposable with
        /// What has not been sent yet is sent, if the collector takes it within some seconds.
        member _.Dispose() =
            match tracing with
            | null -> ()
            | provider -> provider.Dispose()

            match metering with
            | null -> ()
            | provider -> provider.Dispose()

            meter.Dispose()
            spans.Dispose()
