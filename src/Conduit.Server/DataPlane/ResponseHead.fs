namespace Conduit.Server

open System
open System.Net
open System.Net.Http
open System.Net.Http.Headers
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Microsoft.AspNetCore.WebUtilities
open Microsoft.Extensions.Primitives
open Conduit

/// The head of the backend's response on its way to the client.
[<RequireQualifiedAccess>]
module ResponseHead =

    let private values (values: HeaderStringValues) =
        if values.Count = 1 then
            StringValues(values.ToString())
        else
            StringValues(Seq.toArray values)

    /// Copies headers that are for the client. `NonValidated` hands out what came, unparsed.
    let private copyHeaders named (source: HttpHeaders) (response: HttpResponse) =
        for header in source.NonValidated do
            if not (Headers.isHopByHop header.Key || Headers.isNamed named header.Key) then
                response.Headers[header.Key] <- values header.Value

    let private connectionOf (source: HttpResponseMessage) =
        match source.Headers.NonValidated.TryGetValues "Connection" with
        | true, connection -> values connection
        | _ -> StringValues.Empty

    /// The length of the body in bytes, null where only its end will tell. Chunks win over a
    /// Content-Length that comes with them (RFC 9112 section 6.3).
    let length (source: HttpResponseMessage) : Nullable<int64> =
        if source.Headers.NonValidated.Contains "Transfer-Encoding" then
            Nullable()
        else
            source.Content.Headers.ContentLength

    /// Sets the status, and the reason where it is not the usual one.
    let setStatus (http: HttpContext) status (reason: string) =
        http.Response.StatusCode <- status

        if reason <> ReasonPhrases.GetReasonPhrase status then
            match http.Features.Get<IHttpResponseFeature>() with
            | null -> ()
            | feature -> feature.ReasonPhrase <- reason

    /// Lets browsers ask for https only, where the operator wants that and the backend has not said so itself.
    let private secure (exchange: Exchange) =
        match exchange.StrictTransport with
        | null -> ()
        | value ->
            let headers = exchange.Http.Response.Headers

            if headers.StrictTransportSecurity.Count = 0 then
                headers.StrictTransportSecurity <- StringValues value

    /// Offers HTTP/3 where it is on. What a backend offers of itself would lead clients past the balancer.
    let private offer (exchange: Exchange) =
        match exchange.AlternativeService with
        | null -> ()
        | value -> exchange.Http.Response.Headers.AltSvc <- StringValues value

    /// Says how clients are to come to this port from now on.
    let tellOfPort (exchange: Exchange) =
        secure exchange
        offer exchange

    /// A switch of protocols, which a stream of HTTP/2 answers as a CONNECT that was accepted (RFC 8441 section
    /// 5).
    let acceptStream (exchange: Exchange) =
        if RequestHead.isWebSocketStream exchange.Http then
            let response = exchange.Http.Response
            response.StatusCode <- StatusCodes.Status200OK
            response.Headers.Remove "Upgrade" |> ignore
            response.Headers.Remove "Sec-WebSocket-Accept" |> ignore

    /// What a route's edits and the drain of the port make of the head.
    let finish (exchange: Exchange) (edits: HeaderEdit list) =
        exchange.HeadArrived()
        let response = exchange.Http.Response

        for edit in edits do
            match edit with
            | HeaderEdit.Set(name, value) ->
                response.Headers[HeaderName.value name] <- StringValues(HeaderValue.value value)
            | HeaderEdit.Remove name -> response.Headers.Remove(HeaderName.value name) |> ignore

        tellOfPort exchange
        RequestId.giveBack exchange

        if exchange.Lifetime.IsDraining && not exchange.IsStream then
            response.Headers.Connection <- "close"

    /// A trailer for a client that takes trailers after any body.
    let addTrailer (exchange: Exchange) (name: string) (value: string) =
        if not (Headers.isHopByHop name || Headers.isFraming name) then
            match exchange.Http.Features.Get<IHttpResponseTrailersFeature>() with
            | null -> ()
            | feature ->
                // Kestrel's own way to append one leaves those without a value out.
                let before = feature.Trailers[name]
                feature.Trailers[name] <- StringValues.Concat(&before, value)

    /// Sets status, reason and headers of the client's response. A response has no body when its
    /// request was a HEAD or its status says so; then a Content-Length may still describe one, except
    /// with 204 (RFC 9110 section 8.6).
    let copy (exchange: Exchange) (edits: HeaderEdit list) (source: HttpResponseMessage) =
        let response = exchange.Http.Response
        let reason = source.ReasonPhrase |> Option.ofObj |> Option.defaultValue ""
        setStatus exchange.Http (int source.StatusCode) reason

        let named = Headers.namedByConnection (connectionOf source)
        copyHeaders named source.Headers response
        copyHeaders named source.Content.Headers response

        if
            response.StatusCode = StatusCodes.Status204NoContent
            || source.Headers.NonValidated.Contains "Transfer-Encoding"
        then
            response.Headers.Remove "Content-Length" |> ignore

        // After a switch of protocols `Upgrade` names the new one; Kestrel adds `Connection` alone.
        if source.StatusCode = HttpStatusCode.SwitchingProtocols then
            match source.Headers.NonValidated.TryGetValues "Upgrade" with
            | true, protocol -> response.Headers.Upgrade <- values protocol
            | _ -> ()

        finish exchange edits
