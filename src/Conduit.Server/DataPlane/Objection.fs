namespace Conduit.Server

open System
open Microsoft.AspNetCore.Http
open Conduit

/// Requests that are refused for how they are written.
[<RequireQualifiedAccess>]
module Objection =

    /// HttpClient takes `get` for `GET`; a server need not.
    let private isMiswritten (method: string) =
        not (Retry.isKnown method) && Retry.isKnown (method.ToUpperInvariant())

    /// What must not reach a backend, because it would understand it in another way than Kestrel does: why, and the
    /// answer to it.
    let find (http: HttpContext) =
        let coding = http.Request.Headers.TransferEncoding

        if isMiswritten http.Request.Method then
            Some("a method in lower case", Answer.methodUnsupported)
        elif coding.Count = 0 then
            None
        elif http.Request.Headers.ContainsKey "X-Content-Length" then
            // Kestrel's name for a Content-Length that came beside it.
            Some("two framings", Answer.twoFramings)
        elif not ((string coding).Equals("chunked", StringComparison.OrdinalIgnoreCase)) then
            Some("a transfer coding besides chunked", Answer.codingUnsupported)
        else
            None
