module Conduit.Tests.ResponseParserTests

open System
open System.Text
open FsCheck
open FsCheck.FSharp
open Xunit
open Conduit.Transport

/// What a parser makes of bytes that arrive in pieces: the head's length and fields, 0 for a head that is
/// not whole, or -1.
let private parse (pieces: byte[] list) =
    let head = ResponseHead()
    let parser = ResponseParser head
    parser.Begin()
    let mutable seen = Array.empty
    let mutable result = 0

    for piece in pieces do
        if result = 0 then
            seen <- Array.append seen piece
            result <- parser.Read(ReadOnlySpan seen)

    if result > 0 then
        let fields = [ for index in 0 .. head.Count - 1 -> head.Name index, head.Value index ]
        result, Some(head.Status, head.Reason, fields, head.ContentLength, head.IsChunked)
    else
        result, None

let private parseText (text: string) =
    fst (parse [ Encoding.Latin1.GetBytes text ])

[<Fact>]
let ``a generated response round-trips`` () =
    Property.checkMany (fun (response: Response) ->
        let head = Response.head response

        let expected =
            Some(
                response.Status,
                response.Reason,
                Response.fields response,
                (match response.Framing with
                 | NoBody -> 0L
                 | WithLength -> int64 (Response.body response).Length
                 | _ -> -1L),
                response.Framing.IsChunks
            )

        parse [ Response.bytes response ] = (head.Length, expected))

[<Fact>]
let ``however a response is split, it parses the same`` () =
    Property.checkMany (fun (response: Response) (cuts: int list) ->
        let bytes = Response.bytes response
        parse (Arrival.cut cuts bytes) = parse [ bytes ])

[<Fact>]
let ``a response that arrives byte by byte parses the same`` () =
    Property.check (fun (response: Response) ->
        let head = Response.head response
        parse (head |> Array.map Array.singleton |> List.ofArray) = parse [ head ])

[<Fact>]
let ``however a mutated response is split, it parses the same, and nothing throws`` () =
    Property.checkMany (fun (mutation: Mutation) ->
        let bytes = Mutation.bytes mutation
        parse (Arrival.cut mutation.Cuts bytes) = parse [ bytes ])

[<Fact>]
let ``one head after the other over the same parser gives the same as over a new one`` () =
    Property.check (fun (first: Response) (second: Response) ->
        let head = ResponseHead()
        let parser = ResponseParser head

        let fieldsOf (response: Response) =
            parser.Begin()
            parser.Read(ReadOnlySpan(Response.head response)) |> ignore
            [ for index in 0 .. head.Count - 1 -> head.Name index, head.Value index ]

        fieldsOf first = Response.fields first
        && fieldsOf second = Response.fields second)

[<Theory>]
[<InlineData("HTTP/1.1 200\r\n\r\n", true)>]
[<InlineData("HTTP/1.1 200 \r\n\r\n", true)>]
[<InlineData("HTTP/1.0 200 OK\r\n\r\n", true)>]
[<InlineData("HTTP/1.1 999 odd\r\n\r\n", true)>]
[<InlineData("HTTP/1.1 200 OK\r\nA:\r\n\r\n", true)>]
[<InlineData("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", false)>]
[<InlineData("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", false)>]
[<InlineData("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", false)>]
[<InlineData("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", false)>]
[<InlineData("HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n", false)>]
[<InlineData("HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n", false)>]
[<InlineData("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", false)>]
[<InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", false)>]
[<InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", false)>]
[<InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", false)>]
[<InlineData("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false)>]
[<InlineData("HTTP/1.1 200 OK\nA: b\r\n\r\n", false)>]
[<InlineData("HTTP/1.1 200 OK\r\nA: b\n\r\n", false)>]
[<InlineData("HTTP/1.1 200 OK\r\nA: b\r\n\n", false)>]
[<InlineData("HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", false)>]
[<InlineData("HTTP/1.1 200 OK\r\nA: b\000c\r\n\r\n", false)>]
[<InlineData("HTTP/1.1 200 OK\r\n folded: b\r\n\r\n", false)>]
[<InlineData("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", false)>]
[<InlineData("HTTP/1.1 200 OK\r\n: b\r\n\r\n", false)>]
[<InlineData("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", false)>]
[<InlineData("HTTP/1.1 099 no\r\n\r\n", false)>]
[<InlineData("HTTP/1.1 2x0 no\r\n\r\n", false)>]
[<InlineData("HTTP/1.1 2000 no\r\n\r\n", false)>]
[<InlineData("HTTP/1.1  200 OK\r\n\r\n", false)>]
[<InlineData("HTTP/1.2 200 OK\r\n\r\n", false)>]
[<InlineData("HTTP/2 200 OK\r\n\r\n", false)>]
[<InlineData("http/1.1 200 OK\r\n\r\n", false)>]
[<InlineData("\r\nHTTP/1.1 200 OK\r\n\r\n", false)>]
[<InlineData("SSH-2.0-OpenSSH\r\n", false)>]
let ``a head is taken or refused`` (text: string) (isTaken: bool) =
    Assert.Equal((if isTaken then text.Length else -1), parseText text)

[<Fact>]
let ``a head that does not end is refused, as a line and as many fields`` () =
    let endless = "HTTP/1.1 200 OK\r\nA: " + String('a', ResponseParser.LongestHead)

    let many =
        "HTTP/1.1 200 OK\r\n"
        + String.replicate (ResponseParser.MostFields + 1) "A: b\r\n"

    Assert.Equal(-1, parseText endless)
    Assert.Equal(-1, parseText many)
