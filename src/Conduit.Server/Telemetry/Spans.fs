namespace Conduit.Server

open System
open System.Diagnostics
open System.Net
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Conduit

/// What spans and measurements tell, by the semantic conventions for HTTP of OpenTelemetry. No measurement has an
/// attribute that a client has chosen.
[<RequireQualifiedAccess>]
module Spans =

    /// The name of the source of spans and of the meter.
    let source = "Conduit"

    /// A method that HTTP knows, or what stands for any other.
    let knownMethod (method: string) =
        if Retry.isKnown method then method else "_OTHER"

    let protocolVersion (request: HttpRequest) =
        match request.Protocol with
        | "HTTP/2" -> "2"
        | other when other.StartsWith "HTTP/" -> other.Substring 5
        | other -> other

    /// Why a request or a try counts as an error; nothing where it does not.
    let private failed (span: Activity) (why: string) =
        span.SetTag("error.type", why) |> ignore
        span.SetStatus ActivityStatusCode.Error |> ignore

    let private describeMethod (span: Activity) (method: string) =
        let known = knownMethod method
        span.SetTag("http.request.method", known) |> ignore

        if known <> method then
            span.SetTag("http.request.method_original", method) |> ignore

    let private spanName (method: string) =
        if Retry.isKnown method then method else "HTTP"

    let private describeHost (span: Activity) (host: HostString) =
        span.SetTag("server.address", host.Host) |> ignore

        if host.Port.HasValue then
            span.SetTag("server.port", host.Port.Value) |> ignore

    let private describeTarget (span: Activity) (http: HttpContext) =
        match http.Features.Get<IHttpRequestFeature>() with
        | null -> ()
        | feature ->
            match RequestHead.originForm feature.RawTarget with
            | ValueNone -> ()
            | ValueSome target ->
                match target.IndexOf '?' with
                | -1 -> span.SetTag("url.path", target) |> ignore
                | query ->
                    span.SetTag("url.path", target.Substring(0, query)) |> ignore
                    span.SetTag("url.query", target.Substring(query + 1)) |> ignore

    /// The span of a request, which goes on with the client's trace; null where nobody records it.
    let beginRequest (spans: ActivitySource) (exchange: Exchange) : Activity | null =
        let http = exchange.Http
        let request = http.Request

        match
            spans.StartActivity(spanName request.Method, ActivityKind.Server, TraceContext.read request)
        with
        | null -> null
        | span ->
            if span.IsAllDataRequested then
                describeMethod span request.Method
                describeHost span request.Host
                describeTarget span http
                span.SetTag("url.scheme", request.Scheme) |> ignore
                span.SetTag("client.address", exchange.ClientText) |> ignore
                span.SetTag("network.protocol.version", protocolVersion request) |> ignore
                let agent = request.Headers.UserAgent

                if agent.Count > 0 then
                    span.SetTag("user_agent.original", string agent) |> ignore

            TraceContext.write span request
            span

    let endRequest (span: Activity) (exchange: Exchange) =
        let status = Account.status exchange

        if span.IsAllDataRequested then
            span.SetTag("http.response.status_code", status) |> ignore

            match exchange.Record.Cause with
            | null when status >= 500 -> failed span (string status)
            | null -> ()
            | cause when status >= 500 || exchange.Record.IsCut ->
                failed span (string status)
                span.SetStatus(ActivityStatusCode.Error, cause) |> ignore
            | _ -> ()

        span.Dispose()

    /// The span of a try, below that of its request; null where nobody records it.
    let beginTry
        (spans: ActivitySource)
        (exchange: Exchange)
        (target: Target)
        (passage: Passage)
        : Activity | null =
        let request = exchange.Http.Request

        match spans.StartActivity(spanName request.Method, ActivityKind.Client) with
        | null -> null
        | span ->
            if span.IsAllDataRequested then
                let url = target.Backend.Spec.Url
                describeMethod span request.Method
                span.SetTag("server.address", url.Host) |> ignore
                span.SetTag("server.port", url.Port) |> ignore
                span.SetTag("url.full", url.Plain + passage.Path) |> ignore

                if exchange.Record.Tries > 0 then
                    span.SetTag("http.request.resend_count", exchange.Record.Tries) |> ignore

            TraceContext.write span request
            span

    let endTry (span: Activity) outcome =
        if span.IsAllDataRequested then
            match outcome with
            | Outcome.Answered status ->
                span.SetTag("http.response.status_code", status) |> ignore

                if status >= 400 then
                    failed span (string status)
            | outcome ->
                failed span FailureCause.names[FailureCause.indexOf outcome]
                span.SetStatus(ActivityStatusCode.Error, Outcome.describe outcome) |> ignore

        span.Dispose()
