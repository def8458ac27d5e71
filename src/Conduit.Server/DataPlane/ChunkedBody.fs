namespace Conduit.Server

open System
open System.Buffers
open System.Collections.Generic
open System.IO.Pipelines
open System.Text
open Microsoft.AspNetCore.Http

/// Bodies for the client whose chunks are written by hand, because Kestrel's own end with no trailers
/// (RFC 9112 section 7.1).
[<RequireQualifiedAccess>]
module ChunkedBody =

    let private text (writer: PipeWriter) (text: string) =
        writer.Write(Encoding.Latin1.GetBytes(text).AsSpan())

    /// Whether a response may have trailers that the client can be given: it announces them, or the client
    /// has said that it takes any. `length` is -1 where only the body's end will tell.
    let isWanted (request: HttpRequest) announcesTrailers (length: int64) =
        length < 0L
        && HttpProtocol.IsHttp11 request.Protocol
        && (announcesTrailers || Headers.acceptsTrailers request.Headers.TE)

    /// A chunk.
    let write (writer: PipeWriter) (data: ReadOnlyMemory<byte>) =
        text writer (data.Length.ToString "x" + "\r\n")
        writer.Write data.Span
        text writer "\r\n"

    /// The last chunk, with the trailers that are for the client.
    let finish (writer: PipeWriter) (trailers: IEnumerable<KeyValuePair<string, string>>) =
        let last = StringBuilder "0\r\n"

        for trailer in trailers do
            if not (Headers.isHopByHop trailer.Key || Headers.isFraming trailer.Key) then
                last.Append(trailer.Key).Append(": ").Append(trailer.Value).Append("\r\n")
                |> ignore

        text writer (last.Append("\r\n").ToString())
