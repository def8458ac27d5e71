namespace Conduit.Tests

open System
open System.Text
open FsCheck
open FsCheck.FSharp

/// How the body of a generated response is framed.
type BodyFraming =
    | NoBody
    | WithLength
    /// The sizes of the chunks follow from the pieces; fields behind the last one.
    | Chunks of trailers: (string * string) list
    | ToTheEnd

/// A response that a backend may send.
type Response = {
    Status: int
    Reason: string
    Fields: (string * string) list
    Framing: BodyFraming
    /// The body, in the pieces that it is chunked into.
    Pieces: byte[] list
}

[<RequireQualifiedAccess>]
module Response =

    let private latin (text: string) = Encoding.Latin1.GetBytes text

    let body (response: Response) = Array.concat response.Pieces

    /// The fields as they are sent, those that frame the body among them.
    let fields (response: Response) = [
        yield! response.Fields
        match response.Framing with
        | NoBody -> yield "Content-Length", "0"
        | WithLength -> yield "Content-Length", string (body response).Length
        | Chunks _ -> yield "Transfer-Encoding", "chunked"
        | ToTheEnd -> ()
    ]

    /// The head's bytes.
    let head (response: Response) =
        let lines = [
            yield $"HTTP/1.1 {response.Status} {response.Reason}"
            for name, value in fields response do
                yield $"{name}: {value}"
        ]

        latin (String.concat "\r\n" lines + "\r\n\r\n")

    let chunked (pieces: byte[] list) trailers =
        let chunk (piece: byte[]) =
            Array.concat [ latin (piece.Length.ToString "x" + "\r\n"); piece; latin "\r\n" ]

        let trailer (name, value) = latin $"{name}: {value}\r\n"

        Array.concat [
            yield! pieces |> List.filter (Array.isEmpty >> not) |> List.map chunk
            yield latin "0\r\n"
            yield! List.map trailer trailers
            yield latin "\r\n"
        ]

    /// All of it as it is sent.
    let bytes (response: Response) =
        Array.append
            (head response)
            (match response.Framing with
             | Chunks trailers -> chunked response.Pieces trailers
             | _ -> body response)

/// Bytes, and where they are cut into what arrives at a time.
type Arrival = { Response: Response; Cuts: int list }

/// A response of which some bytes are replaced, taken away or put in.
type Mutation = {
    Original: Response
    /// Where, what is done there, and with which byte.
    Edits: (int * int * byte) list
    Cuts: int list
}

[<RequireQualifiedAccess>]
module Arrival =

    /// The bytes in pieces, none of them empty.
    let cut (cuts: int list) (bytes: byte[]) : byte[] list =
        let places =
            cuts
            |> List.map (fun cut -> if bytes.Length = 0 then 0 else abs cut % bytes.Length)
            |> List.filter ((<) 0)
            |> List.distinct
            |> List.sort

        List.pairwise (0 :: places @ [ bytes.Length ])
        |> List.map (fun (first, last) -> bytes[first .. last - 1])

[<RequireQualifiedAccess>]
module Mutation =

    let private edit (bytes: byte[]) (place, kind, value: byte) =
        let place = if bytes.Length = 0 then 0 else abs place % bytes.Length

        match abs kind % 3 with
        | _ when bytes.Length = 0 -> bytes
        | 0 -> Array.updateAt place value bytes
        | 1 -> Array.removeAt place bytes
        | _ -> Array.insertAt place value bytes

    let bytes (mutation: Mutation) =
        (Response.bytes mutation.Original, mutation.Edits) ||> List.fold edit

/// What FsCheck is given.
type Generators =

    static member Response() : Arbitrary<Response> =
        let tokens = "!#$%&'*+-.^_`|~09azAZ" |> Seq.toList

        let name = gen {
            let! size = Gen.choose (1, 20)
            let! letters = Gen.listOfLength size (Gen.elements tokens)
            // A prefix that makes it none of the names that mean something.
            return "X-" + String(List.toArray letters)
        }

        let known = Gen.elements [ "Content-Type"; "ETag"; "Set-Cookie"; "server"; "Date" ]

        let value = gen {
            let! size = Gen.choose (0, 30)

            let! letters =
                Gen.listOfLength size (Gen.choose (0x20, 0xff) |> Gen.filter ((<>) 0x7f))

            return String(letters |> List.map char |> List.toArray).Trim(' ', '\t')
        }

        let field = Gen.zip (Gen.oneof [ name; known ]) value

        let some generator = gen {
            let! count = Gen.choose (0, 12)
            return! Gen.listOfLength count generator
        }

        gen {
            let! status =
                Gen.choose (200, 599)
                |> Gen.filter (fun status -> status <> 204 && status <> 304)

            let! reason = value
            let! fields = some field
            let! pieces = some (Gen.choose (0, 255) |> Gen.map byte |> Gen.arrayOf)
            let! trailers = some (Gen.zip name value)
            let! framing = Gen.elements [ NoBody; WithLength; Chunks trailers; ToTheEnd ]

            return {
                Status = status
                Reason = reason
                Fields = fields
                Framing = framing
                Pieces = if framing = NoBody then [] else pieces
            }
        }
        |> Arb.fromGen

    static member Mutation() : Arbitrary<Mutation> =
        // Bytes that mean something are worth more tries than others.
        let telling = "\r\n:; ,0123456789abcdefHTTP\000\t" |> Seq.map byte |> Seq.toList

        let value =
            Gen.frequency [ 3, Gen.elements telling; 1, Gen.map byte (Gen.choose (0, 255)) ]

        gen {
            let! original = Generators.Response().Generator
            let! count = Gen.choose (1, 4)

            let! edits =
                Gen.listOfLength count (Gen.zip3 (Gen.choose (0, 5000)) (Gen.choose (0, 2)) value)

            let! cuts = Gen.listOf (Gen.choose (0, 5000))

            return {
                Original = original
                Edits = edits
                Cuts = cuts
            }
        }
        |> Arb.fromGen
