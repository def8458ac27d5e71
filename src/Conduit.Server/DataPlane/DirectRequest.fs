namespace Conduit.Server

open System
open System.Net
open Microsoft.Extensions.Primitives
open Conduit
open Conduit.Transport

/// Writes request heads for connections of our own. It belongs to an exchange's forwarder and is used for
/// one head after the other.
[<Sealed>]
type DirectRequest(writer: HeadWriter) =

    /// What a connection begins with for a backend that is told so who the client is; nothing for any other.
    static let preface (exchange: Exchange) (target: Target) : byte[] =
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

    interface IHeadSink with
        member _.Field(name, value) = writer.Field(name, value)

        member _.Fields(name, values) =
            for value in values do
                match value with
                | null -> writer.Field(name, "")
                | value -> writer.Field(name, value)

    /// Writes the whole head; the body is chunked where only its end will tell its length.
    static member Write(writer: HeadWriter, passage: Passage, exchange: Exchange, target: Target, hasBody) =
        let url = target.Backend.Spec.Url
        let request = exchange.Http.Request
        let method = RequestHead.method exchange.Http
        writer.Begin(preface exchange target, method, url.BasePath, passage.Path)

        if request.Headers.Host.Count = 0 then
            writer.Field("Host", url.Authority)

        RequestHead.fields passage exchange (DirectRequest writer)

        if hasBody && not request.ContentLength.HasValue then
            writer.Field("Transfer-Encoding", "chunked")
        elif not (hasBody || request.ContentLength.HasValue || Retry.isIdempotent method) then
            // A method that usually comes with content says that there is none (RFC 9110 section 8.6).
            writer.Field("Content-Length", "0")

        writer.End()
