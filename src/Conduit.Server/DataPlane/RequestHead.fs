namespace Conduit.Server

open System
open System.Net
open System.Net.Http
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Microsoft.Extensions.Primitives
open Conduit

/// The head of the request that goes to the backend.
[<RequireQualifiedAccess>]
module RequestHead =

    /// The path and query of a request's target, byte for byte, whether it came as `/path` or as
    /// `http://host/path` (RFC 9112 section 3.2). Nothing for `*` and for the authority of a CONNECT.
    let originForm (rawTarget: string) : string voption =
        if rawTarget.StartsWith '/' then
            ValueSome rawTarget
        else
            match rawTarget.IndexOf "://" with
            | -1 -> ValueNone
            | scheme ->
                match rawTarget.AsSpan(scheme + 3).IndexOfAny('/', '?') with
                | -1 -> ValueSome "/"
                | at ->
                    let rest = rawTarget.Substring(scheme + 3 + at)
                    ValueSome(if rest[0] = '?' then "/" + rest else rest)

    /// The protocol that the request wants to switch to; null when it does not. `h2c` is not passed on:
    /// behind it a client could speak to the backend unseen.
    let upgrade (http: HttpContext) : string | null =
        match http.Features.Get<IHttpUpgradeFeature>() with
        | NonNull feature when feature.IsUpgradableRequest ->
            let wanted = http.Request.Headers.Upgrade

            if
                wanted.Count = 1
                && not ((string wanted).Contains("h2c", StringComparison.OrdinalIgnoreCase))
            then
                string wanted
            else
                null
        | _ -> null

    let private add (message: HttpRequestMessage) (name: string) (values: StringValues) =
        let added =
            if values.Count = 1 then
                message.Headers.TryAddWithoutValidation(name, values[0])
            else
                message.Headers.TryAddWithoutValidation(name, values.ToArray())

        if not added then
            match message.Content with
            | null -> ()
            | content -> content.Headers.TryAddWithoutValidation(name, values.ToArray()) |> ignore

    let private addForwarded trust (exchange: Exchange) (message: HttpRequestMessage) =
        let request = exchange.Http.Request

        let sent (name: string) =
            if trust then request.Headers[name] else StringValues.Empty

        let orElse (own: string) (values: StringValues) =
            if values.Count = 0 then own else string values

        let before = sent "X-Forwarded-For"

        let chain =
            if before.Count = 0 then
                exchange.ClientText
            else
                $"{before}, {exchange.ClientText}"

        message.Headers.TryAddWithoutValidation("X-Forwarded-For", chain) |> ignore

        message.Headers.TryAddWithoutValidation(
            "X-Forwarded-Proto",
            sent "X-Forwarded-Proto" |> orElse request.Scheme
        )
        |> ignore

        let host = request.Headers.Host

        if host.Count > 0 then
            message.Headers.TryAddWithoutValidation(
                "X-Forwarded-Host",
                sent "X-Forwarded-Host" |> orElse (string host)
            )
            |> ignore

    let private isOwn (name: string) =
        name.Equals("X-Forwarded-For", StringComparison.OrdinalIgnoreCase)
        || name.Equals("X-Forwarded-Proto", StringComparison.OrdinalIgnoreCase)
        || name.Equals("X-Forwarded-Host", StringComparison.OrdinalIgnoreCase)

    let private addHeaders (passage: Passage) (request: HttpRequest) (message: HttpRequestMessage) =
        let named = Headers.namedByConnection request.Headers.Connection
        let trust = passage.TrustForwarded

        for header in request.Headers do
            let name = header.Key

            let stays =
                Headers.isHopByHop name
                || Headers.isNamed named name
                || (Headers.isForwarding name && (not trust || isOwn name || name.Contains '_'))
                // HttpClient writes no request trailers, so none may be announced.
                || name.Equals("Trailer", StringComparison.OrdinalIgnoreCase)
                || Headers.isEdited passage.RequestHeaders name

            if not stays then
                add message name header.Value

        for edit in passage.RequestHeaders do
            match edit with
            | HeaderEdit.Set(name, value) ->
                add message (HeaderName.value name) (StringValues(HeaderValue.value value))
            | HeaderEdit.Remove _ -> ()

    /// The request for the backend at `url`, with `body` unless there is none.
    let create (passage: Passage) (exchange: Exchange) (url: BackendUrl) (body: RequestBody | null) =
        let request = exchange.Http.Request

        let mutable options =
            UriCreationOptions(DangerousDisablePathAndQueryCanonicalization = true)

        let uri = Uri(String.Concat(url.Plain, passage.Path), &options)
        let message = new HttpRequestMessage(HttpMethod.Parse(request.Method), uri)
        message.Version <- HttpVersion.Version11
        message.VersionPolicy <- HttpVersionPolicy.RequestVersionExact
        message.Content <- body
        addHeaders passage request message
        addForwarded passage.TrustForwarded exchange message

        if Headers.acceptsTrailers request.Headers.TE then
            message.Headers.TryAddWithoutValidation("TE", "trailers") |> ignore

        match upgrade exchange.Http with
        | null -> ()
        | protocol ->
            message.Headers.TryAddWithoutValidation("Connection", "Upgrade") |> ignore
            message.Headers.TryAddWithoutValidation("Upgrade", protocol) |> ignore

        message
