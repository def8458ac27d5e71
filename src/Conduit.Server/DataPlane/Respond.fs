namespace Conduit.Server

open System
open System.Text
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Conduit

/// An answer that Conduit gives itself.
type Answer = {
    Status: int
    Text: string
    /// Whether the connection can carry no further request.
    Close: bool
    RetryAfter: TimeSpan option
}

[<RequireQualifiedAccess>]
module Answer =

    let private plain status text = {
        Status = status
        Text = text
        Close = false
        RetryAfter = None
    }

    /// No backend can take the request.
    let unavailable retryAfter = {
        plain 503 "Service not available" with
            RetryAfter = Some retryAfter
    }

    /// No route takes the request, and there is no default pool.
    let noRoute = plain 404 "Not found"

    let connectUnsupported = {
        plain 405 "CONNECT is not supported" with
            Close = true
    }

    let methodUnsupported = plain 501 "Methods are case-sensitive"

    /// A body in another coding than chunked could be read differently by the backend.
    let codingUnsupported = {
        plain 501 "This transfer coding is not supported" with
            Close = true
    }

    /// A request with two framings could be two requests to the backend (RFC 9112 section 6.1).
    let twoFramings = {
        plain 400 "Bad request" with
            Close = true
    }

    let targetUnsupported = plain 501 "This form of request target is not supported"

    let defect = plain 500 "Internal error"

    /// The answer to a failed try, while nothing has reached the client; nothing where there is nobody
    /// to answer or nothing to say.
    let ofOutcome outcome =
        match outcome with
        | Outcome.Answered _
        | Outcome.ClientGone -> None
        | Outcome.ClientInvalid _ ->
            Some {
                plain 400 "Bad request" with
                    Close = true
            }
        | Outcome.ClientStalled _ ->
            Some {
                plain 408 "Request timeout" with
                    Close = true
            }
        | Outcome.TimedOut _ -> Some(plain 504 "Gateway timeout")
        | Outcome.ConnectFailed _
        | Outcome.Reset _
        | Outcome.Garbled _
        | Outcome.BodyRefused _
        | Outcome.Quiet _
        | Outcome.Truncated _ -> Some(plain 502 "Bad gateway")

[<RequireQualifiedAccess>]
module Respond =

    /// Sends an answer as text, with the request's id, by which the log knows it too.
    let send (exchange: Exchange) (answer: Answer) : Task =
        let http = exchange.Http
        let response = http.Response
        response.Clear()
        response.StatusCode <- answer.Status
        response.ContentType <- "text/plain; charset=utf-8"
        response.Headers["X-Content-Type-Options"] <- "nosniff"
        response.Headers["X-Request-Id"] <- http.TraceIdentifier

        match answer.RetryAfter with
        | Some wait -> response.Headers.RetryAfter <- string (max 1 (int (ceil wait.TotalSeconds)))
        | None -> ()

        if answer.Close || exchange.Lifetime.IsDraining then
            response.Headers.Connection <- "close"

        let body =
            Encoding.UTF8.GetBytes $"{answer.Text}\nrequest id: {http.TraceIdentifier}\n"

        response.ContentLength <- int64 body.Length
        response.Body.WriteAsync(body.AsMemory()).AsTask()
