namespace Conduit.Server

open System
open System.Buffers
open Microsoft.Extensions.Primitives

/// The name by which the log, the client and the backend know a request: that of the header that the operator
/// has named for it.
[<RequireQualifiedAccess>]
module RequestId =

    let private longest = 128

    let private allowed =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/+=@")

    /// Whether a client's word for it is kept: 1 to 128 letters, digits and `-._~:/+=@`.
    let isValid (id: string) =
        id.Length > 0
        && id.Length <= longest
        && not (id.AsSpan().ContainsAnyExcept allowed)

    let private make () =
        let bytes = Array.zeroCreate<byte> 16
        Random.Shared.NextBytes bytes
        Convert.ToHexStringLower bytes

    /// Keeps what the client has sent, or makes one, and puts it on the request for the backend. Without a
    /// header the request keeps the name that Kestrel gives it, and nobody else learns of it.
    let take (header: string | null) (exchange: Exchange) =
        exchange.Record.IdHeader <- header

        match header with
        | null -> ()
        | header ->
            let http = exchange.Http
            let sent = http.Request.Headers[header]

            if sent.Count = 1 && isValid (string sent) then
                http.TraceIdentifier <- string sent
            else
                http.TraceIdentifier <- make ()
                http.Request.Headers[header] <- StringValues http.TraceIdentifier

    /// Tells the client.
    let giveBack (exchange: Exchange) =
        match exchange.Record.IdHeader with
        | null -> ()
        | header -> exchange.Http.Response.Headers[header] <- StringValues exchange.Http.TraceIdentifier
