namespace Conduit.Server

open System
open System.Net

/// What the guard needs to know of a request to the admin port; headers as they were sent.
type RequestFacts = {
    Method: string
    /// Normalised: decoded, and without dot segments.
    Path: string
    Host: string
    Origin: string option
    /// `Sec-Fetch-Site`.
    FetchSite: string option
    ContentType: string option
    HasBody: bool
    Authorization: string option
    /// Whether there is an `X-Conduit-Request` header.
    Marked: bool
}

/// Why a request is not let through.
[<RequireQualifiedAccess>]
type Refusal =
    /// The Host is a name that nobody configured: DNS rebinding looks like this.
    | ForeignHost
    /// A page of another origin sent it.
    | ForeignOrigin
    /// The browser says that another site caused it.
    | ForeignSite
    | NoToken
    | WrongToken
    /// A write that carries something else than JSON, as a form would.
    | NotJson
    /// A write that a browser would send for any page without asking first.
    | Unmarked
    /// A write, where nothing may be changed.
    | ReadOnly

/// Decides on a request before any handler sees it.
///
/// No web page may steer a Conduit on the machine of its reader. A page can make a browser send what a
/// form can send, and nothing else, without asking the server first; Conduit never answers such a
/// question with yes. So a write must be one that a form cannot send, and a Host must be one that an
/// attacker's name server cannot point here.
[<RequireQualifiedAccess>]
module Guard =

    let private same (a: string) (b: string) =
        String.Equals(a, b, StringComparison.OrdinalIgnoreCase)

    /// Whether the path is part of the API. What is not (health, statistics, metrics) needs no token.
    let isApi (path: string) =
        same path "/api" || path.StartsWith("/api/", StringComparison.OrdinalIgnoreCase)

    let private isRead method =
        method = "GET" || method = "HEAD" || method = "OPTIONS"

    /// `name`, `name:port`, `[address]:port` to its two parts; the port is the scheme's own if absent.
    let private authority (scheme: string) (text: string) : (string * int) option =
        match Uri.TryCreate($"{scheme}://{text}/", UriKind.Absolute) with
        | true, NonNull uri when
            uri.UserInfo = ""
            && uri.AbsolutePath = "/"
            && uri.Query = ""
            && uri.Fragment = ""
            && uri.Host <> ""
            ->
            Some(uri.Host.ToLowerInvariant(), uri.Port)
        | _ -> None

    let private isOurs (access: AdminAccess) (host: string) =
        match authority "http" host with
        | None -> false
        | Some(name, _) ->
            name = "localhost"
            || List.contains name access.Hosts
            || IPAddress.TryParse(name.Trim('[', ']')) |> fst

    /// An origin is scheme, host and port; behind a proxy that ends TLS the scheme may be https.
    let private isOwnOrigin (host: string) (origin: string) =
        match origin.Split("://", 2) with
        | [| scheme; rest |] when scheme = "http" || scheme = "https" ->
            let own = authority scheme host
            own.IsSome && own = authority scheme rest
        | _ -> false

    let private isJson (contentType: string) =
        let mediaType = contentType.Split(';', 2)[0]
        same (mediaType.Trim()) "application/json"

    let private token (expected: AdminToken) (authorization: string option) =
        match authorization with
        | None -> Some Refusal.NoToken
        | Some text ->
            match text.Split(' ', 2) with
            | [| scheme; given |] when same scheme "Bearer" && expected.Matches(given.Trim()) -> None
            | _ -> Some Refusal.WrongToken

    /// Whether a page of any origin could have sent it without the browser asking first: a POST
    /// without a header that only a script may set, and then only on its own origin.
    let private couldBeForged facts =
        facts.Method = "POST"
        && facts.ContentType.IsNone
        && facts.Authorization.IsNone
        && not facts.Marked

    /// Nothing, or why the request is refused. The same for every path of the API, and for writes
    /// wherever they go.
    let refusal (access: AdminAccess) (facts: RequestFacts) : Refusal option =
        let isWrite = not (isRead facts.Method)

        if not (isApi facts.Path || isWrite) then
            None
        elif not (isOurs access facts.Host) then
            Some Refusal.ForeignHost
        elif facts.Origin |> Option.exists (isOwnOrigin facts.Host >> not) then
            Some Refusal.ForeignOrigin
        elif
            facts.FetchSite
            |> Option.exists (fun site -> site <> "same-origin" && site <> "none")
        then
            Some Refusal.ForeignSite
        else
            match access.Token |> Option.bind (fun expected -> token expected facts.Authorization) with
            | Some refusal -> Some refusal
            | None when not isWrite -> None
            | None when facts.HasBody && facts.ContentType.IsNone -> Some Refusal.NotJson
            | None when facts.ContentType |> Option.exists (isJson >> not) -> Some Refusal.NotJson
            | None when couldBeForged facts -> Some Refusal.Unmarked
            | None when access.ReadOnly -> Some Refusal.ReadOnly
            | None -> None
