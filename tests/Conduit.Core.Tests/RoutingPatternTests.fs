module Conduit.Tests.RoutingPatternTests

open Xunit
open Conduit

let private isFault (fault: Fault) =
    fault.Where = "host" && fault.What <> "" && fault.Remedy <> ""

[<Fact>]
let ``any text is a host pattern that reads back the same, or a fault with a remedy`` () =
    Property.check (fun (before: string) (after: string) ->
        [
            before
            $"*.{before}"
            $"{before}.{after}"
            $"[{before}]"
            $"a{before}.com:{after}"
        ]
        |> List.forall (fun text ->
            match HostPattern.parse "host" text with
            | Ok pattern -> HostPattern.parse "host" (string pattern) = Ok pattern
            | Error fault -> isFault fault))

[<Theory>]
[<InlineData("*", "*")>]
[<InlineData("WWW.Example.COM", "www.example.com")>]
[<InlineData("www.example.com.", "www.example.com")>]
[<InlineData("*.Example.com.", "*.example.com")>]
[<InlineData("*.localhost", "*.localhost")>]
[<InlineData("my_service", "my_service")>]
[<InlineData("xn--bcher-kva.example", "xn--bcher-kva.example")>]
[<InlineData("10.0.0.1", "10.0.0.1")>]
[<InlineData("[::1]", "[::1]")>]
[<InlineData("[FE80:0:0:0::1]", "[fe80::1]")>]
let ``a host is written in one normal form`` (text: string, normal: string) =
    Assert.Equal(normal, string (Routing.host text))

[<Theory>]
[<InlineData("", "is not a host")>]
[<InlineData(".", "is not a host")>]
[<InlineData("a..b", "is not a host")>]
[<InlineData("-a.com", "is not a host")>]
[<InlineData("a b", "is not a host")>]
[<InlineData("a@b", "is not a host")>]
[<InlineData("example.com..", "is not a host")>]
[<InlineData("example.com:8080", "carries a port")>]
[<InlineData("*.example.com:8080", "carries a port")>]
[<InlineData("[::1]:8080", "carries a port")>]
[<InlineData("::1", "is an IPv6 address without brackets")>]
[<InlineData("[::1", "is not an IPv6 address")>]
[<InlineData("[::g]", "is not an IPv6 address")>]
[<InlineData("[fe80::1%eth0]", "is not an IPv6 address")>]
[<InlineData("[10.0.0.1]", "is not an IPv6 address")>]
[<InlineData("10.0.0.256", "is not an IPv4 address")>]
[<InlineData("10.0.1", "is not an IPv4 address")>]
[<InlineData("010.0.0.1", "is not an IPv4 address")>]
[<InlineData("http://example.com", "is more than a host")>]
[<InlineData("example.com/path", "is more than a host")>]
[<InlineData("bücher.example", "has letters beyond ASCII")>]
[<InlineData("*example.com", "has a star where none can be")>]
[<InlineData("www.*.com", "has a star where none can be")>]
[<InlineData("*.*.com", "has a star where none can be")>]
[<InlineData("*.10.0.0.1", "is an address, and nothing stands below one")>]
[<InlineData("*.[::1]", "is an address, and nothing stands below one")>]
let ``a host is refused`` (text: string, what: string) =
    match HostPattern.parse "host" text with
    | Ok pattern -> failwith $"read as {pattern}"
    | Error fault -> Assert.EndsWith(what, fault.What)

[<Fact>]
let ``the fault of a port says that it is to be left out`` () =
    match HostPattern.parse "routes[0].host" "example.com:8080" with
    | Ok pattern -> failwith $"read as {pattern}"
    | Error fault ->
        Assert.Equal(
            "routes[0].host: 'example.com:8080' carries a port; leave the port out: a host stands for all its ports",
            Fault.render fault
        )

[<Theory>]
[<InlineData("*", "", true)>]
[<InlineData("example.com", "EXAMPLE.com.:8080", true)>]
[<InlineData("example.com", "www.example.com", false)>]
[<InlineData("*.example.com", "www.example.com", true)>]
[<InlineData("*.example.com", "a.b.Example.com.:80", true)>]
[<InlineData("*.example.com", "example.com", false)>]
[<InlineData("*.example.com", ".example.com", false)>]
[<InlineData("*.example.com", "wwwexample.com", false)>]
[<InlineData("*.example.com", "www.example.com.evil.org", false)>]
[<InlineData("[::1]", "[::1]:8080", true)>]
[<InlineData("[::1]", "[::1", false)>]
let ``a host matches`` (pattern: string, authority: string, expected: bool) =
    let wanted = Routing.host pattern
    Assert.Equal(expected, HostPattern.matches authority wanted)

    // By the table of the router too, which goes another way.
    let router =
        Routing.router [ Routing.route "it" (Routing.matching pattern PathPattern.Any [] [] []) ]

    Assert.Equal((if expected then "it" else ""), Routing.found (Routing.get authority "/") router)

[<Fact>]
let ``a prefix ends at the border of a segment`` () =
    let router =
        Routing.router [
            Routing.route "api" (Routing.matching "*" (Routing.prefix "/api/v1") [] [] [])
        ]

    let isBelow path =
        let matches = PathPattern.matches path (Routing.prefix "/api/v1")
        Assert.Equal((if matches then "api" else ""), Routing.found (Routing.get "h" path) router)
        matches

    Property.check (fun (rest: string) ->
        isBelow "/api/v1"
        && isBelow $"/api/v1/{rest}"
        && isBelow $"/api/v1x{rest}" = false
        && isBelow $"/api/v1%%2F{rest}" = false
        && isBelow $"/api{rest}/v1" = (rest = "")
        && isBelow "/api/v" = false)

[<Theory>]
[<InlineData("/api/", "/api/*")>]
[<InlineData("/api//", "/api/*")>]
[<InlineData("/a//b", "/a//b/*")>]
[<InlineData("/", "/*")>]
let ``a prefix is written in one normal form`` (text: string, normal: string) =
    Assert.Equal(normal, string (Routing.prefix text))

[<Fact>]
let ``an exact path is that path only, as it came`` () =
    let isIt path =
        PathPattern.matches path (Routing.exact "/a%2Fb/")

    Assert.True(isIt "/a%2Fb/")
    Assert.False(List.exists isIt [ "/a%2Fb"; "/a%2fb/"; "/a/b/"; "/A%2Fb/"; "/a%2Fb//"; "/x/../a%2Fb/" ])

[<Fact>]
let ``dots are not resolved`` () =
    let router =
        Routing.router [
            Routing.route "a" (Routing.matching "*" (Routing.prefix "/a") [] [] [])
            Routing.route "b" (Routing.matching "*" (Routing.prefix "/b") [] [] [])
        ]

    Assert.Equal("a", Routing.found (Routing.get "h" "/a/../b") router)

[<Theory>]
[<InlineData("api", "does not begin with a slash")>]
[<InlineData("", "does not begin with a slash")>]
[<InlineData("*", "does not begin with a slash")>]
[<InlineData("/a?b", "carries a query or a fragment")>]
[<InlineData("/a#b", "carries a query or a fragment")>]
[<InlineData("/a b", "has characters that no path has")>]
[<InlineData("/é", "has characters that no path has")>]
[<InlineData("/a/../b", "has a segment of dots, which browsers resolve")>]
[<InlineData("/.", "has a segment of dots, which browsers resolve")>]
let ``a path is refused`` (text: string, what: string) =
    for read in [ PathPattern.exact; PathPattern.prefix ] do
        match read "path" text with
        | Ok pattern -> failwith $"read as {pattern}"
        | Error fault -> Assert.Equal($"'{text}' {what}", fault.What)
