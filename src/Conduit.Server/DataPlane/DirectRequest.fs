namespace Conduit.Server

open System.Net
open Conduit
open Conduit.Transport

/// The heads of requests over connections of our own.
[<RequireQualifiedAccess>]
module DirectRequest =

    /// What a connection begins with for a backend that is told so who the client is; nothing for any other.
    let private preface (exchange: Exchange) (target: Target) : byte[] =
        match target.Upstream.SendProxy with
        | None -> Array.empty
        | Some version ->
            let connection = exchange.Http.Connection

            match connection.RemoteIpAddress, connection.LocalIpAddress with
            | NonNull client, NonNull server ->
                ProxyHeader.write
                    version
                    (IPEndPoint(client, connection.RemotePort))
                    (IPEndPoint(server, connection.LocalPort))
            | _ -> Array.empty

    /// Writes the whole head; the body is chunked where only its end will tell its length.
    let write (writer: HeadWriter) (passage: Passage) (exchange: Exchange) (target: Target) hasBody =
        let url = target.Backend.Spec.Url
        let request = exchange.Http.Request
        let method = RequestHead.method exchange.Http
        writer.Begin(preface exchange target, method, url.BasePath, passage.Path)

        if request.Headers.Host.Count = 0 then
            writer.Field("Host", url.Authority)

        RequestHead.fields passage exchange writer

        if hasBody && not request.ContentLength.HasValue then
            writer.Field("Transfer-Encoding", "chunked")

            for announced in request.Headers.Trailer do
                match announced with
                | null -> ()
                | announced -> writer.Field("Trailer", announced)
        elif not (hasBody || request.ContentLength.HasValue || Retry.isIdempotent method) then
            // A method that usually comes with content says that there is none (RFC 9110 section 8.6).
            writer.Field("Content-Length", "0")

        writer.End()
