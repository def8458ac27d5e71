namespace Conduit.Server

open System
open System.Net
open System.Net.Http
open System.Security.Cryptography
open System.Text
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Microsoft.Extensions.Primitives
open Conduit
open Conduit.Transport

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

    /// Whether a stream of HTTP/2 is to become a WebSocket (RFC 8441): there it is a CONNECT with a path.
    let isWebSocketStream (http: HttpContext) =
        match http.Features.Get<IHttpExtendedConnectFeature>() with
        | null -> false
        | feature ->
            feature.IsExtendedConnect
            && "websocket".Equals(feature.Protocol, StringComparison.OrdinalIgnoreCase)

    /// `h2c` is not passed on: behind it a client could speak to the backend unseen.
    let private askedUpgrade (http: HttpContext) : string | null =
        match http.Features.Get<IHttpUpgradeFeature>() with
        | null -> null
        | feature ->
            let wanted = http.Request.Headers.Upgrade

            if
                wanted.Count = 1
                && feature.IsUpgradableRequest
                && not ((string wanted).Contains("h2c", StringComparison.OrdinalIgnoreCase))
            then
                string wanted
            else
                null

    /// The protocol that the request wants to switch to; null when it does not.
    let upgrade (http: HttpContext) : string | null =
        if isWebSocketStream http then
            "websocket"
        else
            askedUpgrade http

    /// Whether the request is to become a WebSocket.
    let isWebSocket (http: HttpContext) =
        "websocket".Equals(upgrade http, StringComparison.OrdinalIgnoreCase)

    /// The method for the backend: that of HTTP/1.1 where a stream of HTTP/2 asks for a WebSocket.
    let method (http: HttpContext) =
        if isWebSocketStream http then
            HttpMethods.Get
        else
            http.Request.Method

    let private addForwarded trust (exchange: Exchange) (sink: IHeadSink) =
        let request = exchange.Http.Request

        let sent (name: string) =
            if trust then request.Headers[name] else StringValues.Empty

        let first (values: StringValues) (own: string) =
            if values.Count = 0 then own else values.ToString()

        let before = sent "X-Forwarded-For"

        let chain =
            if before.Count = 0 then
                exchange.ClientText
            else
                $"{before}, {exchange.ClientText}"

        sink.Field("X-Forwarded-For", chain)

        sink.Field("X-Forwarded-Proto", first (sent "X-Forwarded-Proto") request.Scheme)

        let host = request.Headers.Host

        if host.Count > 0 then
            sink.Field("X-Forwarded-Host", first (sent "X-Forwarded-Host") (host.ToString()))

    /// A certificate's subject as a header can carry it: what is not printable ASCII, and `%` itself, as the
    /// bytes of UTF-8 after a `%`.
    let private printable (subject: string) =
        if subject |> Seq.forall (fun c -> c >= ' ' && c <= '~' && c <> '%') then
            subject
        else
            let text = StringBuilder()

            for value in Encoding.UTF8.GetBytes subject do
                if value >= 0x20uy && value <= 0x7euy && value <> 0x25uy then
                    text.Append(char value) |> ignore
                else
                    text.Append('%').Append(value.ToString "X2") |> ignore

            text.ToString()

    /// Who the client has proven to be; only where it was asked. Nobody else's word for it is passed on.
    let private addClientCertificate (request: HttpRequest) (sink: IHeadSink) =
        if request.IsHttps then
            match request.HttpContext.Connection.ClientCertificate with
            | null -> ()
            | certificate ->
                sink.Field("X-Client-Cert-Subject", printable certificate.Subject)

                sink.Field(
                    "X-Client-Cert-Fingerprint",
                    certificate.GetCertHashString(HashAlgorithmName.SHA256).ToLowerInvariant()
                )

    let private isOwn (name: string) =
        name.Equals("X-Forwarded-For", StringComparison.OrdinalIgnoreCase)
        || name.Equals("X-Forwarded-Proto", StringComparison.OrdinalIgnoreCase)
        || name.Equals("X-Forwarded-Host", StringComparison.OrdinalIgnoreCase)

    let private addHeaders (passage: Passage) (request: HttpRequest) (sink: IHeadSink) =
        let named = Headers.namedByConnection request.Headers.Connection
        let trust = passage.TrustForwarded

        for header in request.Headers do
            let name = header.Key

            let stays =
                Headers.isHopByHop name
                || Headers.isNamed named name
                || (Headers.isForwarding name && (not trust || isOwn name || name.Contains '_'))
                || (request.IsHttps && Headers.isClientCertificate name)
                // Whoever writes the body's framing knows whether trailers are passed on, and announces them.
                || name.Equals("Trailer", StringComparison.OrdinalIgnoreCase)
                || Headers.isEdited passage.RequestHeaders name

            if not stays then
                sink.Fields(name, header.Value)

        for edit in passage.RequestHeaders do
            match edit with
            | HeaderEdit.Set(name, value) -> sink.Field(HeaderName.value name, HeaderValue.value value)
            | HeaderEdit.Remove _ -> ()

    /// All fields but those that frame the body, `Host` among them where the client has sent it.
    let fields (passage: Passage) (exchange: Exchange) (sink: IHeadSink) =
        let request = exchange.Http.Request
        addHeaders passage request sink
        addForwarded passage.TrustForwarded exchange sink
        addClientCertificate request sink

        if Headers.acceptsTrailers request.Headers.TE then
            sink.Field("TE", "trailers")

        match upgrade exchange.Http with
        | null -> ()
        | protocol ->
            sink.Field("Connection", "Upgrade")
            sink.Field("Upgrade", protocol)

            // A stream has no need of a key, and backends ask for one. Whatever answers 101 has taken it.
            if isWebSocketStream exchange.Http then
                sink.Field("Sec-WebSocket-Key", Convert.ToBase64String(RandomNumberGenerator.GetBytes 16))
