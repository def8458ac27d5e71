namespace Conduit.Server.Tests

open System
open System.Globalization
open System.Text
open System.Threading.Tasks

/// A request or a response as it was on the wire.
type Message = {
    /// The request line or the status line.
    Start: string
    /// Names and values in their order, as they were written.
    Headers: (string * string) list
    Body: byte[]
    Trailers: (string * string) list
}

[<RequireQualifiedAccess>]
module Message =

    /// The values of a header, in their order.
    let values (name: string) message =
        message.Headers
        |> List.filter (fun (other, _) -> other.Equals(name, StringComparison.OrdinalIgnoreCase))
        |> List.map snd

    /// The value of a header; several are joined, which means the same (RFC 9110 section 5.3).
    let value name message =
        match values name message with
        | [] -> None
        | values -> Some(String.concat ", " values)

    let has name message = values name message <> []

    /// The body, a character for each byte.
    let text message = Encoding.Latin1.GetString message.Body

    let private word index (message: Message) = (message.Start.Split(' ', 3))[index]

    let status message = int (word 1 message)
    let reason message = word 2 message
    let method message = word 0 message
    let target message = word 1 message

/// Telling where a message ends (RFC 9112 section 6).
[<RequireQualifiedAccess>]
module Framing =

    let private field (line: string) =
        match line.IndexOf ':' with
        | -1 -> failwith $"not a header: {line}"
        | colon -> line.Substring(0, colon), line.Substring(colon + 1).Trim(' ', '\t')

    /// The next message's head; nothing when the stream ended instead.
    let readHead (wire: Wire) : Task<Message option> = task {
        match! wire.ReadThrough "\r\n\r\n" with
        | None -> return None
        | Some head ->
            let lines = head.Split("\r\n", StringSplitOptions.RemoveEmptyEntries)

            return
                Some {
                    Start = lines[0]
                    Headers = lines |> Array.skip 1 |> Array.map field |> Array.toList
                    Body = [||]
                    Trailers = []
                }
    }

    let private line (wire: Wire) : Task<string> = task {
        match! wire.ReadThrough "\r\n" with
        | Some line -> return line.Substring(0, line.Length - 2)
        | None -> return failwith "the stream ended within a chunked body"
    }

    /// The data of the next chunk, empty for the last one.
    let readChunk (wire: Wire) : Task<byte[]> = task {
        let! size = line wire
        let size = Int32.Parse((size.Split ';')[0], NumberStyles.HexNumber)
        let! data = wire.ReadExactly size

        if size > 0 then
            let! _ = line wire
            ()

        return data
    }

    let private readChunked (wire: Wire) message = task {
        let body = ResizeArray<byte>()
        let trailers = ResizeArray<string * string>()
        let mutable going = true

        while going do
            let! chunk = readChunk wire
            body.AddRange chunk
            going <- chunk.Length > 0

        going <- true

        while going do
            match! line wire with
            | "" -> going <- false
            | trailer -> trailers.Add(field trailer)

        return {
            message with
                Body = body.ToArray()
                Trailers = List.ofSeq trailers
        }
    }

    let private readSized (wire: Wire) message otherwise = task {
        match Message.value "Transfer-Encoding" message, Message.value "Content-Length" message with
        | Some coding, _ when coding.EndsWith("chunked", StringComparison.OrdinalIgnoreCase) ->
            return! readChunked wire message
        | _, Some length ->
            let! body = wire.ReadExactly(int length)
            return { message with Body = body }
        | _ -> return! otherwise ()
    }

    /// The body of a request whose head is `message`.
    let readRequestBody wire message : Task<Message> =
        readSized wire message (fun () -> Task.FromResult message)

    /// The body of a response whose head is `message`. Fails where it does not end as it should.
    let readResponseBody (wire: Wire) (toHead: bool) message : Task<Message> =
        match Message.status message with
        | status when toHead || status < 200 || status = 204 || status = 304 -> Task.FromResult message
        | _ ->
            readSized wire message (fun () -> task {
                match! wire.ReadToEnd() with
                | body, Finished -> return { message with Body = body }
                | _, Broken -> return failwith "the connection broke within a body"
            })
