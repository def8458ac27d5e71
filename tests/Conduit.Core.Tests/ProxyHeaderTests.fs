module Conduit.Tests.ProxyHeaderTests

open System
open System.Net
open System.Text
open FsCheck.FSharp
open Xunit
open Conduit

let private read (bytes: byte[]) = ProxyHeader.read (ReadOnlySpan bytes)
let private line (text: string) = read (Encoding.Latin1.GetBytes text)

[<Theory>]
[<InlineData("PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\n", "192.0.2.1:56324")>]
[<InlineData("PROXY TCP6 2001:db8::1 ::1 1 65535\r\nGET / HTTP/1.1\r\n", "[2001:db8::1]:1")>]
[<InlineData("PROXY UNKNOWN\r\n", "nobody")>]
[<InlineData("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "nobody")>]
let ``a line of version 1 names the client`` (text: string, expected: string) =
    match line text with
    | ProxyHeader.Complete(length, client) ->
        Assert.Equal(text.IndexOf "\r\n" + 2, length)
        Assert.Equal(expected, client |> Option.map string |> Option.defaultValue "nobody")
    | other -> failwith $"%A{other}"

[<Theory>]
[<InlineData "GET / HTTP/1.1\r\n">]
[<InlineData "PROXY TCP4 192.0.2.1 10.0.0.1 56324\r\n">]
[<InlineData "PROXY TCP4 192.0.2.1 10.0.0.1 56324 443 \r\n">]
[<InlineData "PROXY TCP4 192.0.2.1 10.0.0.1 56324 65536\r\n">]
[<InlineData "PROXY TCP4 192.0.2.1 10.0.0.1 05 443\r\n">]
[<InlineData "PROXY TCP4 2001:db8::1 ::1 1 2\r\n">]
[<InlineData "PROXY TCP6 192.0.2.1 10.0.0.1 1 2\r\n">]
[<InlineData "PROXY TCP4 1.2.3 10.0.0.1 1 2\r\n">]
[<InlineData "PROXY UDP4 192.0.2.1 10.0.0.1 1 2\r\n">]
[<InlineData "PROXY \r\n">]
let ``what is no line of version 1 is malformed`` (text: string) = Assert.True (line text).IsMalformed

[<Fact>]
let ``a line that does not end is not waited for`` () =
    Assert.True (line ("PROXY " + String('x', 100))).IsIncomplete
    Assert.True (line ("PROXY " + String('x', 101))).IsMalformed

let private endPoints =
    let address (bytes: int) =
        Gen.arrayOfLength bytes (Gen.choose (0, 255) |> Gen.map byte)
        |> Gen.map IPAddress

    gen {
        let! size = Gen.elements [ 4; 16 ]
        let! source = address size
        let! target = address size
        let! ports = Gen.listOfLength 2 (Gen.choose (0, 65535))
        return IPEndPoint(source, ports[0]), IPEndPoint(target, ports[1])
    }

let private cases =
    Gen.zip (Gen.elements [ ProxyVersion.V1; ProxyVersion.V2 ]) endPoints
    |> Arb.fromGen

let private plain (endPoint: IPEndPoint) =
    if endPoint.Address.IsIPv4MappedToIPv6 then
        IPEndPoint(endPoint.Address.MapToIPv4(), endPoint.Port)
    else
        endPoint

[<Fact>]
let ``what is written reads back as the same client, whatever follows`` () =
    Property.check (
        Prop.forAll cases (fun (version, (source, target)) ->
            let header = ProxyHeader.write version source target

            match read (Array.append header "GET / HTTP/1.1\r\n"B) with
            | ProxyHeader.Complete(length, Some client) ->
                length = header.Length && plain client = plain source
            | _ -> false)
    )

[<Fact>]
let ``no part of a header is taken for a whole one, or for a wrong one`` () =
    Property.check (
        Prop.forAll cases (fun (version, (source, target)) ->
            let header = ProxyHeader.write version source target

            seq { 0 .. header.Length - 1 }
            |> Seq.forall (fun length -> (read header[.. length - 1]).IsIncomplete))
    )

[<Fact>]
let ``any bytes are read, or refused`` () =
    let bytes =
        Gen.zip
            (Gen.elements [ ""B; "PROXY "B; "\r\n\r\n\000\r\nQUIT\n"B ])
            (Gen.arrayOf (Gen.choose (0, 255) |> Gen.map byte))
        |> Gen.map (fun (prefix, rest) -> Array.append prefix rest)
        |> Arb.fromGen

    Property.check (
        Prop.forAll bytes (fun bytes ->
            match read bytes with
            | ProxyHeader.Complete(length, _) -> length <= bytes.Length
            | ProxyHeader.Incomplete
            | ProxyHeader.Malformed _ -> true)
    )
