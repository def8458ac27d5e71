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
    /// Further header fields.
    Fields: (string * string) list
}

[<RequireQualifiedAccess>]
module Answer =

    let private plain status text = {
        Status = status
        Text = text
        Close = false
        RetryAfter = None
        Fields = []
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

    let lineTooLong = {
        plain 414 "The request's target is too long" with
            Close = true
    }

    /// The client is not among those that may use the pool.
    let denied = plain 403 "Forbidden"

    let bodyTooLarge = {
        plain 413 "The request's body is too large" with
            Close = true
    }

    /// The pool has as many requests in flight as it may have, or Conduit as many connections.
    let busy = unavailable (TimeSpan.FromSeconds 1.0)

    /// Seconds that last at least so long, and one at the least.
    let seconds (wait: TimeSpan) = max 1 (int (ceil wait.TotalSeconds))

    /// The fields are those of the Internet-Draft draft-ietf-httpapi-ratelimit-headers-10: `q` may come within
    /// `w` seconds, `r` are left, and after `t` seconds there is more.
    let rateLimited (limit: RateLimit) (wait: TimeSpan) =
        let window = limit.Rate.Period * (float limit.Burst / float limit.Rate.Tokens)

        {
            plain 429 "Too many requests" with
                RetryAfter = Some wait
                Fields = [
                    "RateLimit-Policy", $"\"default\";q={limit.Burst};w={seconds window}"
                    "RateLimit", $"\"default\";r=0;t={seconds wait}"
                ]
        }

    /// A request for https that says neither which host nor which path it wants.
    let noRedirect = plain 400 "Bad request"

    let defect = plain 500 "Internal error"

    /// The answer to a failed try, while nothing has reached the client; nothing where there is nobody
    /// to answer or nothing to say.
    let ofOutcome outcome =
        match outcome with
        | Outcome.Answered _
        | Outcome.ClientGone -> None
        | Outcome.Declined status -> Some(plain status "The backend refused, and there is no other")
        | Outcome.ClientInvalid _ ->
            Some {
                plain 400 "Bad request" with
                    Close = true
            }
        | Outcome.BodyTooLarge -> Some bodyTooLarge
        | Outcome.ClientStalled _ ->
            Some {
                plain 408 "Request timeout" with
                    Close = true
            }
        | Outcome.Shortage _ -> Some busy
        | Outcome.TimedOut _
        | Outcome.Overdue _ -> Some(plain 504 "Gateway timeout")
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
        RequestId.giveBack exchange

        match answer.RetryAfter with
        | Some wait -> response.Headers.RetryAfter <- string (Answer.seconds wait)
        | None -> ()

        for name, value in answer.Fields do
            response.Headers[name] <- value

        ResponseHead.tellOfPort exchange

        if (answer.Close || exchange.Lifetime.IsDraining) && not exchange.IsStream then
            response.Headers.Connection <- "close"

        let body =
            Encoding.UTF8.GetBytes $"{answer.Text}\nrequest id: {http.TraceIdentifier}\n"

        exchange.Record.Sent <- int64 body.Length
        response.ContentLength <- int64 body.Length
        response.Body.WriteAsync(body.AsMemory()).AsTask()
