namespace Conduit.Server

open System.Text.Json
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Conduit

/// Why the admin API does not do what it is asked.
[<RequireQualifiedAccess>]
type Problem =
    | Refused of Refusal
    | NotJson of reason: string
    /// The request reads, but asks for what cannot be.
    | Invalid of Fault list
    | NoSuchPool of string
    | NoSuchBackend of pool: string * id: string
    /// Another backend has the id or the URL.
    | Conflict of what: string
    /// A precondition of the request does not hold.
    | PreconditionFailed of what: string
    | ReloadFailed of Fault list
    /// As many watch the live figures as may.
    | TooManyStreams of most: int
    /// What the server's own machinery found: a path or a method it does not know, a body too large.
    | Plain of status: int
    | Defect

[<RequireQualifiedAccess>]
module Problem =

    let private refused refusal =
        match refusal with
        | Refusal.ForeignHost ->
            403,
            "foreign-host",
            "The Host is not known here",
            "use an address, localhost, or a name that is listed in admin.hosts"
        | Refusal.ForeignOrigin ->
            403, "foreign-origin", "A page of another origin sent this", "Origin must be that of the Host"
        | Refusal.ForeignSite ->
            403, "foreign-site", "Another site caused this", "Sec-Fetch-Site must be same-origin or none"
        | Refusal.NoToken -> 401, "no-token", "A token is needed", "send Authorization: Bearer TOKEN"
        | Refusal.WrongToken ->
            401, "wrong-token", "The token is wrong", "send the one that admin.token names"
        | Refusal.NotJson -> 415, "not-json", "Writes are JSON", "send Content-Type: application/json"
        | Refusal.Unmarked ->
            403,
            "unmarked",
            "A web page could have sent this",
            "send X-Conduit-Request: 1, a token, or Content-Type: application/json"
        | Refusal.ReadOnly ->
            403, "read-only", "Nothing can be changed here", "admin.read_only is true in the configuration"

    let private plain status =
        match status with
        | 404 -> "no-such-path", "There is nothing at this path", "see /api/v1/openapi.json"
        | 405 -> "method", "The method is not for this path", "the Allow header says which are"
        | 413 -> "too-large", "The body is too large", "1 MiB is the most"
        | _ -> "request", "The request cannot be served", $"status {status}"

    let private counted (faults: Fault list) =
        if faults.Length = 1 then
            "1 fault"
        else
            $"{faults.Length} faults"

    /// Status, name, title and detail.
    let private describe problem =
        match problem with
        | Problem.Refused refusal -> refused refusal
        | Problem.NotJson reason -> 400, "no-json", "The body is not JSON", reason
        | Problem.Invalid faults ->
            422, "invalid", "What is asked for cannot be", $"{counted faults}, told with what would be right"
        | Problem.NoSuchPool name ->
            404, "no-such-pool", "No such pool", $"there is no pool {Fault.quote name}"
        | Problem.NoSuchBackend(pool, id) ->
            404,
            "no-such-backend",
            "No such backend",
            $"there is no backend {Fault.quote id} in the pool {Fault.quote pool}"
        | Problem.Conflict what -> 409, "conflict", "Another backend has it", what
        | Problem.PreconditionFailed what -> 412, "precondition", "It has changed in the meantime", what
        | Problem.ReloadFailed faults ->
            422,
            "reload-failed",
            "The file cannot take effect",
            $"{counted faults}; the configuration before it stays in force"
        | Problem.TooManyStreams most ->
            503, "too-many-streams", "Too many are watching", $"{most} streams are open, as many as may be"
        | Problem.Plain status ->
            let name, title, detail = plain status
            status, name, title, detail
        | Problem.Defect -> 500, "defect", "Conduit has a defect", "the log says more"

    let private faults problem =
        match problem with
        | Problem.Invalid faults
        | Problem.ReloadFailed faults -> Some(Wire.ofFaults faults)
        | _ -> None

    /// The problem as RFC 9457 has it. The type is a stable name.
    let toWire problem : Wire.Problem =
        let status, name, title, detail = describe problem

        {
            Type = $"urn:problem-type:conduit:{name}"
            Title = title
            Status = status
            Detail = detail
            Faults = faults problem
        }

    let private challenge problem =
        match problem with
        | Problem.Refused Refusal.NoToken -> Some "Bearer realm=\"conduit\""
        | Problem.Refused Refusal.WrongToken -> Some "Bearer realm=\"conduit\", error=\"invalid_token\""
        | _ -> None

    let send (http: HttpContext) problem : Task =
        let wire = toWire problem
        let response = http.Response
        response.StatusCode <- wire.Status
        response.ContentType <- "application/problem+json"

        challenge problem
        |> Option.iter (fun text -> response.Headers.WWWAuthenticate <- text)

        JsonSerializer.SerializeAsync(response.Body, wire, Wire.options, http.RequestAborted)
