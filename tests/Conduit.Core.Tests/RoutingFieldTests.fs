module Conduit.Tests.RoutingFieldTests

open System
open Xunit
open Conduit

let private whats result =
    match result with
    | Ok _ -> []
    | Error(faults: Fault list) -> faults |> List.map _.What

let private name text =
    HeaderName.create "test" text |> Routing.right

let private value text =
    HeaderValue.create "test" text |> Routing.right

[<Theory>]
[<InlineData("get", "GET")>]
[<InlineData("Delete", "DELETE")>]
[<InlineData("PROPFIND", "PROPFIND")>]
[<InlineData("purge", "purge")>]
let ``a method is read`` (text: string, read: string) =
    Assert.Equal(read, Method.value (Routing.method text))

[<Theory>]
[<InlineData("")>]
[<InlineData("GET POST")>]
[<InlineData("GET,POST")>]
[<InlineData("GÉT")>]
let ``a method is refused`` (text: string) =
    Assert.True((Method.parse "test" text).IsError)

[<Fact>]
let ``a method of the request is taken as it came`` () =
    let router =
        Routing.router [ Routing.route "get" (Routing.matching "*" PathPattern.Any [ "get" ] [] []) ]

    let found method =
        Routing.found
            {
                Routing.get "h" "/" with
                    Method = method
            }
            router

    Assert.Equal<string list>([ "get"; ""; "" ], List.map found [ "GET"; "get"; "HEAD" ])

[<Fact>]
let ``any text is the name of a header that is a token, or a fault`` () =
    Property.check (fun (text: string) ->
        let isToken =
            text <> ""
            && text
               |> Seq.forall (fun c -> c > ' ' && c < '\127' && not ("\"(),/:;<=>?@[\\]{}".Contains c))

        (HeaderName.create "test" text).IsOk = isToken)

[<Fact>]
let ``any text is the value of a header that can be sent, or a fault`` () =
    Property.check (fun (text: string) ->
        let trimmed = text.Trim ' '
        let isPrintable = trimmed |> Seq.forall (fun c -> c >= ' ' && c < '\127')

        match HeaderValue.create "test" text with
        | Ok value -> isPrintable && HeaderValue.value value = trimmed
        | Error _ -> not isPrintable)

[<Theory>]
[<InlineData("Connection")>]
[<InlineData("keep-alive")>]
[<InlineData("Proxy-Connection")>]
[<InlineData("Proxy-Authenticate")>]
[<InlineData("Proxy-Authorization")>]
[<InlineData("TE")>]
[<InlineData("Trailer")>]
[<InlineData("TRANSFER-ENCODING")>]
[<InlineData("Upgrade")>]
[<InlineData("Content-Length")>]
[<InlineData("host")>]
let ``a header of the connection is not edited`` (text: string) =
    for result in
        [
            HeaderEdit.set "test" (name text) (value "x")
            HeaderEdit.remove "test" (name text)
        ] do
        match result with
        | Ok edit -> failwith $"read as {edit}"
        | Error fault -> Assert.StartsWith($"'{text}' cannot be edited: ", fault.What)

[<Fact>]
let ``another header is edited under the name as it is written`` () =
    let set = HeaderEdit.set "test" (name "X-Tenant") (value " acme ") |> Routing.right
    let remove = HeaderEdit.remove "test" (name "Server") |> Routing.right
    let edits = HeaderEdits.create "test" [ set; remove ] |> Routing.right
    Assert.Equal<HeaderEdit list>([ set; remove ], HeaderEdits.toList edits)
    Assert.Equal("X-Tenant", HeaderName.value (HeaderEdit.name set))
    Assert.Equal(HeaderEdit.Set(name "X-Tenant", value "acme"), set)

[<Fact>]
let ``a header is edited once only`` () =
    let edits = [
        HeaderEdit.Set(name "X-A", value "1")
        HeaderEdit.Remove(name "x-a")
        HeaderEdit.Remove(name "X-B")
        HeaderEdit.Remove(name "X-C")
        HeaderEdit.Remove(name "x-c")
        HeaderEdit.Remove(name "X-c")
    ]

    Assert.Equal<string list>(
        [ "the header 'x-a' is edited 2 times"; "the header 'x-c' is edited 3 times" ],
        whats (HeaderEdits.create "test" edits)
    )

[<Fact>]
let ``a header or parameter has one condition only`` () =
    let matching =
        RouteMatch.create "test" HostPattern.Any PathPattern.Any [] [
            Routing.header "X-A" None
            Routing.header "x-a" (Some "1")
        ] [
            Routing.parameter "p" None
            Routing.parameter "P" None
            Routing.parameter "p" None
        ]

    Assert.Equal<string list>(
        [
            "the header 'x-a' has 2 conditions"
            "the query parameter 'p' has 2 conditions"
        ],
        whats matching
    )

[<Theory>]
[<InlineData("", "")>]
[<InlineData("a\nb", "")>]
[<InlineData("a", "b\tc")>]
let ``a condition on the query is refused`` (name: string, value: string) =
    Assert.True((QueryMatch.create "test" name (Some value)).IsError)

[<Fact>]
let ``a route without a name is named after what it matches`` () =
    let wanted =
        Routing.matching "*.Example.com" (Routing.prefix "/v1") [ "POST"; "GET" ] [
            Routing.header "X-B" None
            Routing.header "X-A" (Some "1")
        ] [ Routing.parameter "q" None; Routing.parameter "p" (Some "2") ]

    let name wanted =
        Routing.nameOf (Route.create wanted PoolName.defaultPool)

    Assert.Equal("*.example.com/v1/* GET,POST x-a=1 x-b ?p=2 ?q", name wanted)
    Assert.Equal("*/*", name Routing.everything)
    Assert.Equal("h/v1", name (Routing.matching "h" (Routing.exact "/v1") [] [] []))

[<Fact>]
let ``a name of a route has 1 to 128 characters that can be shown`` () =
    for text in [ ""; String('a', 129); "a\nb" ] do
        Assert.True((RouteName.create "test" text).IsError)

    Assert.Equal(
        String('a', 128),
        RouteName.value (RouteName.create "test" (String('a', 128)) |> Routing.right)
    )

[<Fact>]
let ``a timeout that a route has goes before that of its pool`` () =
    let pool = PoolSettings.defaults.Timeouts
    let minute = TimeSpan.FromMinutes 1.5
    Assert.Equal(pool, RouteTimeouts.over pool RouteTimeouts.none)

    Assert.Equal(
        { pool with Response = minute },
        RouteTimeouts.over pool {
            RouteTimeouts.none with
                Response = Some minute
        }
    )

    Assert.Equal(
        { pool with Idle = minute },
        RouteTimeouts.over pool {
            RouteTimeouts.none with
                Idle = Some minute
        }
    )
