namespace Conduit.Server

open System
open System.Text
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Conduit

/// The trailers of a request on their way to a backend that gets its body in chunks.
[<RequireQualifiedAccess>]
module RequestTrailers =

    /// Some backends take trailers for headers. So none may say what a header from the client may not, nor what
    /// the route says.
    let private stays (passage: Passage) (name: string) =
        Headers.isHopByHop name
        || Headers.isFraming name
        || Headers.isForwarding name
        || name.Equals("Host", StringComparison.OrdinalIgnoreCase)
        || Headers.isEdited passage.RequestHeaders name

    let private text (passage: Passage) (trailers: IHeaderDictionary) =
        let last = StringBuilder "0\r\n"

        for trailer in trailers do
            if not (stays passage trailer.Key) then
                for value in trailer.Value do
                    last.Append(trailer.Key).Append(": ").Append(value).Append("\r\n") |> ignore

        last.Append("\r\n").ToString()

    /// What ends a body in chunks that has been read to its end: the last chunk, with the client's trailers.
    let lastChunk (passage: Passage) (http: HttpContext) : string =
        match http.Features.Get<IHttpRequestTrailersFeature>() with
        | NonNull feature when feature.Available && feature.Trailers.Count > 0 ->
            text passage feature.Trailers
        | _ -> "0\r\n\r\n"
