namespace Conduit.Server

open System
open Microsoft.AspNetCore.Http
open Microsoft.Extensions.Primitives
open Conduit

/// Which headers a proxy passes on (RFC 9110 section 7.6.1).
[<RequireQualifiedAccess>]
module Headers =

    let private equals (a: string) (b: string) =
        a.Equals(b, StringComparison.OrdinalIgnoreCase)

    /// Headers that concern one connection only. `Trailer` is not among them: it describes the message.
    let isHopByHop (name: string) =
        match name.Length with
        | 2 -> equals name "TE"
        | 7 -> equals name "Upgrade"
        | 10 -> equals name "Connection" || equals name "Keep-Alive"
        | 14 -> equals name "HTTP2-Settings"
        | 16 -> equals name "Proxy-Connection"
        | 17 -> equals name "Transfer-Encoding"
        | 18 -> equals name "Proxy-Authenticate"
        | 19 -> equals name "Proxy-Authorization"
        | _ -> false

    /// Headers that no trailer may carry, because they say how the message is framed.
    let isFraming (name: string) =
        equals name "Content-Length" || equals name "Trailer"

    /// Headers by which a proxy tells what a client has proven to be.
    let isClientCertificate (name: string) =
        name.StartsWith("X-Client-Cert-", StringComparison.OrdinalIgnoreCase)

    /// Headers by which a proxy tells whom it speaks for; also as `X_Forwarded_For`, which some
    /// backends cannot tell from the real one.
    let isForwarding (name: string) =
        (name.Length >= 9
         && (name[0] = 'X' || name[0] = 'x' || name[0] = 'F' || name[0] = 'f'))
        && (let plain = if name.Contains '_' then name.Replace('_', '-') else name

            plain.StartsWith("X-Forwarded-", StringComparison.OrdinalIgnoreCase)
            || isClientCertificate plain
            || equals plain "X-Real-IP"
            || equals plain "Forwarded")

    /// Whether a `Connection` header that names no header, but only says how the connection goes on.
    let private isPlain (connection: StringValues) =
        connection.Count = 0
        || (connection.Count = 1
            && (let value = connection.ToString() in equals value "keep-alive" || equals value "close"))

    /// The headers that the values of `Connection` name; null for none, which is the rule.
    let namedByConnection (connection: StringValues) : string[] | null =
        if isPlain connection then
            null
        else
            connection.ToArray()
            |> Array.collect (fun value ->
                match value with
                | null -> [||]
                | value ->
                    value.Split(
                        ',',
                        StringSplitOptions.TrimEntries ||| StringSplitOptions.RemoveEmptyEntries
                    ))

    /// Whether a header stays behind because `Connection` names it.
    let isNamed (named: string[] | null) (name: string) =
        match named with
        | null -> false
        | names -> names |> Array.exists (equals name)

    /// Whether there are headers that .NET counts as a body's, `Content-Length` aside.
    let describesBody (headers: IHeaderDictionary) =
        headers.ContentType.Count > 0
        || headers.ContentEncoding.Count > 0
        || headers.ContentLanguage.Count > 0
        || headers.ContentLocation.Count > 0
        || headers.ContentRange.Count > 0
        || headers.ContentMD5.Count > 0
        || headers.ContentDisposition.Count > 0
        || headers.Expires.Count > 0
        || headers.LastModified.Count > 0
        || headers.Allow.Count > 0

    /// Whether the client accepts trailers: `TE: trailers` (RFC 9110 section 10.1.4).
    let acceptsTrailers (te: StringValues) =
        te.Count > 0
        && (string te).Contains("trailers", StringComparison.OrdinalIgnoreCase)

    /// Whether one of a route's edits is for this header.
    let isEdited (edits: HeaderEdit list) (name: string) =
        match edits with
        | [] -> false
        | edits ->
            edits
            |> List.exists (fun edit -> equals (HeaderName.value (HeaderEdit.name edit)) name)
