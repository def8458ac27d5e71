namespace Conduit.Server.Sample

open System
open System.Net
open System.Text.Json
open System.Threading.Tasks
open Microsoft.AspNetCore.Builder
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Microsoft.AspNetCore.Routing

/// The endpoints of the sample backend and the paths they stand under. Except for `/admin/ready/` they
/// answer any method.
[<RequireQualifiedAccess>]
module internal BackendEndpoints =

    /// Greets. A CONNECT ends here too, since it names no path; yes would promise it a tunnel.
    let private hello (state: BackendState) (ctx: HttpContext) =
        if HttpMethods.IsConnect ctx.Request.Method then
            BackendReply.text 405 "Method not allowed\n" ctx
        else
            BackendReply.text 200 $"Hello from backend! I am running on {state.Name}\n" ctx

    /// The working set: what the process really holds of the machine's memory, managed or not. Backends
    /// that share a process share the figure.
    let private health (_: BackendState) ctx =
        BackendReply.json $"{{\"memory_usage\":{Environment.WorkingSet}}}" ctx

    let private alive (_: BackendState) ctx =
        BackendReply.json """{"status":"alive"}""" ctx

    let private ready (state: BackendState) ctx =
        if state.Ready then
            BackendReply.json """{"status":"ready"}""" ctx
        else
            BackendReply.text 503 "Service not ready\n" ctx

    /// Whether the caller sits on this machine. A proxy on this machine calls from loopback too, for
    /// anybody at all; it gives itself away by the header in which it names its client, and such a
    /// request is no caller's of this machine.
    let private isLocal (ctx: HttpContext) =
        let forwarded =
            ctx.Request.Headers.ContainsKey "X-Forwarded-For"
            || ctx.Request.Headers.ContainsKey "Forwarded"

        match ctx.Connection.RemoteIpAddress with
        | null -> false
        | address when address.IsIPv4MappedToIPv6 ->
            IPAddress.IsLoopback(address.MapToIPv4()) && not forwarded
        | address -> IPAddress.IsLoopback address && not forwarded

    /// The `ready` of `{"ready":bool}`, if the body is that.
    let private readReady (ctx: HttpContext) = task {
        // Nothing else reads a body into memory; this one is bounded.
        ctx.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize <- 4096L

        try
            use! document =
                JsonDocument.ParseAsync(ctx.Request.Body, cancellationToken = ctx.RequestAborted)

            let root = document.RootElement

            return
                match root.ValueKind with
                | JsonValueKind.Object ->
                    match root.TryGetProperty "ready" with
                    | true, value when value.ValueKind = JsonValueKind.True -> ValueSome true
                    | true, value when value.ValueKind = JsonValueKind.False -> ValueSome false
                    | _ -> ValueNone
                | _ -> ValueNone
        with
        | :? JsonException
        | :? BadHttpRequestException -> return ValueNone
    }

    let private setReady (state: BackendState) (ctx: HttpContext) : Task = task {
        if not (isLocal ctx) then
            do! BackendReply.text 403 "Only for callers on this machine\n" ctx
        elif not (HttpMethods.IsPost ctx.Request.Method) then
            ctx.Response.Headers.Allow <- "POST"
            do! BackendReply.text 405 "Method not allowed\n" ctx
        else
            match! readReady ctx with
            | ValueNone -> do! BackendReply.text 400 "Invalid request body\n" ctx
            | ValueSome value ->
                state.Ready <- value

                do!
                    BackendReply.json
                        (if value then
                             """{"ready":true}"""
                         else
                             """{"ready":false}""")
                        ctx
    }

    let private longestSleep = TimeSpan.FromMinutes 10.0

    /// Answers after `ms` milliseconds (5000), unless the client leaves before.
    let private sleep (state: BackendState) (ctx: HttpContext) : Task =
        let wait (milliseconds: int64) : Task = task {
            let time = TimeSpan.FromMilliseconds(float milliseconds)
            do! Task.Delay(time, ctx.RequestAborted)
            do! BackendReply.text 200 $"Slept {time.TotalSeconds} seconds on {state.Name}\n" ctx
        }

        BackendReply.withNumber "ms" (0L, int64 longestSleep.TotalMilliseconds) (ValueSome 5000L) wait ctx

    /// Answers with the status `code`.
    let private status (state: BackendState) (ctx: HttpContext) : Task =
        let answer (code: int64) =
            match code with
            | 204L
            | 205L
            | 304L ->
                // These never have a body.
                ctx.Response.StatusCode <- int code
                Task.CompletedTask
            | _ -> BackendReply.text (int code) $"Status {code} from {state.Name}\n" ctx

        BackendReply.withNumber "code" (200L, 599L) ValueNone answer ctx

    let private probes = [
        "/health", health
        "/healthz", alive
        "/readyz", ready
        "/admin/ready/", setReady
    ]

    let private work = [
        "/sleep", sleep
        "/echo", BackendStreams.echo
        "/bytes", BackendStreams.bytes
        "/status", status
        "/sse", BackendStreams.events
        "/ws", BackendStreams.webSocket
        "/{**any}", hello
    ]

    let private slowed
        (handler: BackendState -> HttpContext -> Task)
        (state: BackendState)
        (ctx: HttpContext)
        =
        if state.Delay = TimeSpan.Zero then
            handler state ctx
        else
            task {
                do! Task.Delay(state.Delay, ctx.RequestAborted)
                do! handler state ctx
            }

    /// Maps every endpoint.
    let map (state: BackendState) (routes: IEndpointRouteBuilder) =
        for path, handler in probes @ List.map (fun (path, handler) -> path, slowed handler) work do
            routes.Map(path, RequestDelegate(handler state)) |> ignore
