namespace Conduit.Server

open System
open System.Diagnostics
open Microsoft.AspNetCore.Http
open Microsoft.Extensions.Primitives

/// The trace that a request belongs to, as W3C Trace Context writes it.
[<RequireQualifiedAccess>]
module TraceContext =

    let private parentHeader = "traceparent"
    let private stateHeader = "tracestate"

    /// What the client says of it; nothing where it says nothing, or what is no trace.
    let read (request: HttpRequest) : ActivityContext =
        let parent = request.Headers[parentHeader]
        let state = request.Headers[stateHeader]
        let mutable context = Unchecked.defaultof<ActivityContext>

        if parent.Count = 1 then
            ActivityContext.TryParse(string parent, string state, true, &context) |> ignore

        context

    /// Puts a span in the place of what the client has said: from now on that is the parent. A trace that begins
    /// here has no state of another one (W3C Trace Context, section 3.3.1.5).
    let write (span: Activity) (request: HttpRequest) =
        match span.Id with
        | null -> ()
        | id ->
            request.Headers[parentHeader] <- StringValues id

            if String.IsNullOrEmpty span.TraceStateString then
                request.Headers.Remove stateHeader |> ignore
