module Conduit.Tests.ChunkedDecoderTests

open System
open System.Text
open FsCheck
open Xunit
open Conduit.Transport

/// The body and trailers that a decoder makes of pieces, and whether it saw the end; nothing when it
/// refuses them. What is not taken is put before the next piece.
let private decode (pieces: byte[] list) =
    let decoder = ChunkedDecoder()
    decoder.Begin()
    let mutable body = Array.empty
    let mutable rest: byte[] = Array.empty
    let mutable isWrong = false

    for piece in pieces do
        rest <- Array.append rest piece
        let mutable going = not isWrong && not decoder.IsEnded

        while going do
            let mutable offset = 0
            let mutable length = 0
            let taken = decoder.Read(ReadOnlySpan rest, &offset, &length)
            isWrong <- taken < 0
            going <- taken > 0 && not decoder.IsEnded

            if taken > 0 then
                body <- Array.append body rest[offset .. offset + length - 1]
                rest <- rest[taken..]

    if isWrong then
        None
    else
        Some(body, [ for trailer in decoder.Trailers -> trailer.Key, trailer.Value ], decoder.IsEnded)

let private decodeText (text: string) =
    decode [ Encoding.Latin1.GetBytes text ]

[<Fact>]
let ``chunks and trailers round-trip, however they are split`` () =
    Property.checkMany (fun (response: Response) (cuts: int list) ->
        let trailers =
            match response.Framing with
            | Chunks trailers -> trailers
            | _ -> []

        let bytes = Response.chunked response.Pieces trailers
        decode (Arrival.cut cuts bytes) = Some(Response.body response, trailers, true))

[<Fact>]
let ``however mutated chunks are split, they are decoded or refused the same`` () =
    Property.checkMany (fun (mutation: Mutation) ->
        let chunked = {
            mutation.Original with
                Framing = Chunks []
        }

        let bytes = Mutation.bytes { mutation with Original = chunked }
        let from = (Response.head chunked).Length
        let body = if bytes.Length > from then bytes[from..] else bytes

        match decode (Arrival.cut mutation.Cuts body), decode [ body ] with
        | Some(first, _, ended), Some(second, _, alsoEnded) -> first = second && ended = alsoEnded
        | first, second -> first = second)

[<Theory>]
[<InlineData("0\r\n\r\n", true)>]
[<InlineData("1;a=b\r\nx\r\n0\r\n\r\n", true)>]
[<InlineData("1 \r\nx\r\n0\r\n\r\n", true)>]
[<InlineData("00001\r\nx\r\n0\r\n\r\n", true)>]
[<InlineData("0\r\nA: b\r\n\r\n", true)>]
[<InlineData("1\nx\r\n0\r\n\r\n", false)>]
[<InlineData("1\r\nx\n0\r\n\r\n", false)>]
[<InlineData("1\r\nxy\r\n0\r\n\r\n", false)>]
[<InlineData("\r\n", false)>]
[<InlineData("g\r\n", false)>]
[<InlineData("-1\r\n", false)>]
[<InlineData("0x1\r\n", false)>]
[<InlineData(" 1\r\n", false)>]
[<InlineData("1000000000000000\r\n", false)>]
[<InlineData("1;a\rb\r\n", false)>]
[<InlineData("0\r\nA : b\r\n\r\n", false)>]
[<InlineData("0\r\nno colon\r\n\r\n", false)>]
[<InlineData("0\r\nA: b\n\r\n", false)>]
let ``chunks are taken or refused`` (text: string) (isTaken: bool) =
    Assert.Equal(isTaken, (decodeText text).IsSome)

[<Fact>]
let ``extensions and trailers are bounded`` () =
    let extension = "1;" + String('a', 5000)
    let trailers = "0\r\n" + String.replicate 40 ("A: " + String('a', 1000) + "\r\n")
    Assert.Equal(None, decodeText extension)
    Assert.Equal(None, decodeText trailers)
