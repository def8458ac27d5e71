module Conduit.Tests.BackendUrlTests

open FsCheck
open FsCheck.FSharp
open Xunit
open Conduit

let private elements (values: string list) = Gen.elements values

/// URLs as people write them: mostly right, in many notations.
let private texts =
    let hosts =
        elements [
            "localhost"
            "LocalHost"
            "a-b.example.com"
            "10.0.0.1"
            "[::1]"
            "[FE80::0:1]"
            "[::ffff:10.0.0.1]"
            "bücher.example"
            "h."
        ]

    let ports = elements [ ""; ":"; ":80"; ":443"; ":8081"; ":1"; ":65535"; ":0080" ]

    let paths =
        elements [
            ""
            "/"
            "/base"
            "/Base/"
            "/a/../b"
            "/a%2Fb"
            "/%7Eme"
            "/a;b"
            "/é"
            "//x//"
            "/."
            "/a b"
            "/%zz"
        ]

    Gen.map4
        (fun scheme host port path -> $"{scheme}://{host}{port}{path}")
        (elements [ "http"; "https"; "HTTP" ])
        hosts
        ports
        paths
    |> Arb.fromGen

[<Fact>]
let ``what is read is written in a form that reads back the same`` () =
    Property.check (
        Prop.forAll texts (fun text ->
            match BackendUrl.parse "--backends" text with
            | Ok url -> BackendUrl.parse "--backends" (string url) = Ok url
            | Error fault -> failwith (Fault.render fault))
    )

[<Fact>]
let ``the parts of what is read are in their normal form`` () =
    Property.check (
        Prop.forAll texts (fun text ->
            let url = Make.url text

            url.Host = url.Host.ToLowerInvariant()
            && url.Port >= 1
            && url.Port <= 65535
            && (url.BasePath = "" || url.BasePath.StartsWith '/')
            && not (url.BasePath.EndsWith '/')
            && url.Authority = $"{url.Host}:{url.Port}"
            && (string url).EndsWith(url.Authority + url.BasePath))
    )

[<Fact>]
let ``any text is a URL that reads back the same, or a fault with its place and a remedy`` () =
    Property.check (fun (before: string) (after: string) ->
        [ before; $"http://{before}"; $"http://h{before}:{after}"; $"http://h/{after}" ]
        |> List.forall (fun text ->
            match BackendUrl.parse "--backends" text with
            | Ok url -> BackendUrl.parse "--backends" (string url) = Ok url
            | Error fault -> fault.Where = "--backends" && fault.What <> "" && fault.Remedy <> ""))

[<Theory>]
[<InlineData("http://localhost:8081", "http://localhost:8081")>]
[<InlineData("http://LOCALHOST", "http://localhost:80")>]
[<InlineData("https://h", "https://h:443")>]
[<InlineData("http://h/base/", "http://h:80/base")>]
[<InlineData("http://[::1]:8081/", "http://[::1]:8081")>]
let ``is written in one normal form`` (text: string, normal: string) =
    Assert.Equal(normal, string (Make.url text))

[<Theory>]
[<InlineData("localhost:8081", "is not a URL")>]
[<InlineData("", "is not a URL")>]
[<InlineData("http://", "is not a URL")>]
[<InlineData("http://h:65536", "is not a URL")>]
[<InlineData("http://h:-1", "is not a URL")>]
[<InlineData("http://h:0", "has a port outside 1 to 65535")>]
[<InlineData("ftp://h", "has the scheme 'ftp', which is neither http nor https")>]
[<InlineData("ws://h", "has the scheme 'ws', which is neither http nor https")>]
[<InlineData("http://h/?a=b", "carries a query or a fragment")>]
[<InlineData("http://h/#top", "carries a query or a fragment")>]
[<InlineData("http://h/?", "carries a query or a fragment")>]
[<InlineData("http://[fe80::1%25eth0]", "carries the zone of an address")>]
let ``refuses`` (text: string, what: string) =
    match BackendUrl.parse "--backends" text with
    | Ok url -> failwith $"read as {url}"
    | Error fault ->
        Assert.Equal($"'{text}' {what}", fault.What)
        Assert.Equal("write http://host:port or https://host:port, with a path if needed", fault.Remedy)

[<Fact>]
let ``a password in a URL is refused, and not shown`` () =
    match BackendUrl.parse "--backends" "http://me:secret@h" with
    | Ok url -> failwith $"read as {url}"
    | Error fault ->
        Assert.Contains("carries a user name or a password", fault.What)
        Assert.DoesNotContain("secret", Fault.render fault)
