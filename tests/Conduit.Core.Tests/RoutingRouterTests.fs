module Conduit.Tests.RoutingRouterTests

open System
open FsCheck
open FsCheck.FSharp
open Xunit
open Conduit

[<Fact>]
let ``finds what trying all routes by the documented order finds`` () =
    Property.check (
        Prop.forAll Routing.worlds (fun (routes, requests) ->
            let router = Routing.router routes

            requests
            |> List.forall (fun asked -> Routing.found asked router = RoutingReference.find routes asked))
    )

[<Fact>]
let ``the order in the file means nothing`` () =
    let shuffled =
        Routing.worlds.Generator
        |> Gen.bind (fun (routes, requests) ->
            Gen.shuffle routes
            |> Gen.map (fun shuffled -> routes, List.ofArray shuffled, requests))

    Property.check (
        Prop.forAll (Arb.fromGen shuffled) (fun (routes, shuffled, requests) ->
            let one, other = Routing.router routes, Routing.router shuffled

            one.Routes = other.Routes
            && requests
               |> List.forall (fun asked -> Routing.found asked one = Routing.found asked other))
    )

[<Fact>]
let ``case, port and final dot of the host mean nothing`` () =
    let hosts = [ "example.com"; "a.example.com"; "c.b.a.example.com"; "[::1]" ]

    Property.check (
        Prop.forAll Routing.worlds (fun (routes, requests) ->
            let router = Routing.router routes

            List.allPairs hosts requests
            |> List.forall (fun (host, asked) ->
                let plain = Routing.found { asked with Host = host } router

                [ host.ToUpperInvariant(); host + ":8443"; host + "."; host + ".:80" ]
                |> List.filter (fun other -> not (other.StartsWith "[" && other.Contains '.'))
                |> List.forall (fun other -> Routing.found { asked with Host = other } router = plain)))
    )

/// The same match with one thing of it given up.
let private relaxed (wanted: RouteMatch) =
    let make host path methods headers query =
        RouteMatch.create "test" host path methods headers query |> Routing.right

    let without (all: 'a list) = [ for index in 0 .. all.Length - 1 -> List.removeAt index all ]

    let valueless value rebuilt (all: 'a list) = [
        for index, each in List.indexed all do
            if Option.isSome (value each) then
                List.updateAt index (rebuilt each) all
    ]

    [
        if wanted.Host <> HostPattern.Any then
            make HostPattern.Any wanted.Path wanted.Methods wanted.Headers wanted.Query
        match wanted.Path with
        | PathPattern.Any -> ()
        | PathPattern.Prefix _ -> make wanted.Host PathPattern.Any wanted.Methods wanted.Headers wanted.Query
        | PathPattern.Exact path ->
            let prefix = Routing.prefix ("/" + (ExactPath.value path).Trim '/')
            make wanted.Host prefix wanted.Methods wanted.Headers wanted.Query
        if not wanted.Methods.IsEmpty then
            make wanted.Host wanted.Path [] wanted.Headers wanted.Query

            make
                wanted.Host
                wanted.Path
                (Routing.method "ANOTHER" :: wanted.Methods)
                wanted.Headers
                wanted.Query
        for headers in
            without wanted.Headers
            @ valueless
                (fun (header: HeaderMatch) -> header.Value)
                (fun header -> HeaderMatch.create header.Name None)
                wanted.Headers do
            make wanted.Host wanted.Path wanted.Methods headers wanted.Query
        for query in
            without wanted.Query
            @ valueless
                (fun (parameter: QueryMatch) -> parameter.Value)
                (fun parameter -> Routing.parameter parameter.Name None)
                wanted.Query do
            make wanted.Host wanted.Path wanted.Methods wanted.Headers query
    ]

[<Fact>]
let ``a route comes before every one that takes its requests and more`` () =
    Property.check (
        Prop.forAll (Arb.fromGen Routing.matches) (fun wanted ->
            // The names would decide the other way.
            let specific = Routing.route "z" wanted

            relaxed wanted
            |> List.forall (fun wider -> Precedence.compare specific (Routing.route "a" wider) < 0))
    )

[<Fact>]
let ``is made of routes that differ in match and name, and of no others`` () =
    let named =
        Gen.map2 (fun number -> Routing.route $"r{number}") (Gen.choose (1, 30)) Routing.matches

    Property.check (
        Prop.forAll (Arb.fromGen (Gen.listOf named)) (fun routes ->
            let differ (key: Route -> 'Key) =
                (List.distinctBy key routes).Length = routes.Length

            let conflicts = Router.conflicts Routing.place routes

            match Router.create Routing.place routes with
            | Ok router ->
                differ _.Match
                && differ _.Name
                && conflicts = []
                && router.Routes.Length = routes.Length
            | Error faults -> not (differ _.Match && differ _.Name) && faults = conflicts)
    )

[<Fact>]
let ``a conflict names both routes and their places`` () =
    let one =
        Routing.matching "A.example.com." (Routing.prefix "/api/") [ "get"; "POST" ] [
            Routing.header "X-A" None
            Routing.header "X-B" (Some "1")
        ] []

    let same =
        Routing.matching "a.example.com" (Routing.prefix "/api") [ "POST"; "GET"; "GET" ] [
            Routing.header "x-b" (Some "1")
            Routing.header "x-a" None
        ] []

    let faults =
        Router.conflicts Routing.place [
            Routing.route "first" one
            Routing.route "second" Routing.everything
            Routing.route "third" same
            Routing.route "second" (Routing.matching "b" PathPattern.Any [] [] [])
        ]

    Assert.Equal<string list>(
        [
            "routes[2]: the route matches just what the route 'first' at routes[0] does; remove one of the two, or give one a further condition"
            "routes[3]: the name 'second' is that of the route at routes[1] too; give each route a name of its own"
        ],
        faults |> List.map Fault.render
    )

[<Fact>]
let ``two unnamed routes that match the same are one conflict`` () =
    let route = Route.create Routing.everything PoolName.defaultPool
    Assert.Equal(1, (Router.conflicts Routing.place [ route; route ]).Length)

[<Fact>]
let ``a route that matches is found though a more specific host has routes`` () =
    let router =
        Routing.router [
            Routing.route "host" (Routing.matching "a.example.com" (Routing.prefix "/only") [] [] [])
            Routing.route "wildcard" (Routing.matching "*.example.com" (Routing.prefix "/wide") [] [] [])
            Routing.route "any" (Routing.matching "*" (Routing.prefix "/any") [] [] [])
        ]

    let found path =
        Routing.found (Routing.get "a.example.com" path) router

    Assert.Equal<string list>(
        [ "host"; "wildcard"; "any"; "" ],
        List.map found [ "/only"; "/wide/x"; "/any"; "/none" ]
    )

[<Fact>]
let ``without routes nothing is found`` () =
    Assert.Equal("", Routing.found (Routing.get "a.example.com" "/") Router.empty)

/// Answers without allocating, and counts what it was asked for.
type private Counting(host: string, path: string) =
    member val Asked = 0 with get, set

    interface IRequestView with
        member _.Method = "GET"
        member _.Host = host
        member _.Path = path

        member this.TryHeader name =
            this.Asked <- this.Asked + 1
            if name = "x-tenant" then ValueSome "acme" else ValueNone

        member this.TryQuery _ =
            this.Asked <- this.Asked + 1
            ValueNone

/// Hosts and paths by number, all with conditions.
let private many count =
    Routing.router [
        for number in 1..count do
            let host =
                match number % 3 with
                | 0 -> $"h{number}.example.com"
                | 1 -> $"*.h{number}.example.com"
                | _ -> "*"

            for path in [ Routing.prefix $"/a/p{number}"; Routing.exact $"/p{number}" ] do
                Routing.route
                    $"{host} {path}"
                    (Routing.matching host path [ "GET" ] [ Routing.header "X-Tenant" (Some "acme") ] [])

                Routing.route
                    $"{host} {path} debug"
                    (Routing.matching host path [ "GET" ] [ Routing.header "X-Tenant" (Some "acme") ] [
                        Routing.parameter "debug" None
                    ])
    ]

let private requests = [
    "h3.example.com:8080", "/a/p3/x/y/z"
    "H3.EXAMPLE.COM", "/p3"
    "a.b.h4.example.com.", "/a/p4"
    "other.example.com", "/a/p5/"
    "other.example.com", "/a/p6/nowhere"
    "[::1]:80", "*"
    "", "/"
]

[<Fact>]
let ``a request allocates nothing on its way`` () =
    let router = many 100

    for host, path in requests do
        let view = Counting(host, path)
        let mutable found = 0

        let search () =
            for _ in 1..100 do
                if (Router.find view router).IsSome then
                    found <- found + 1

        search ()
        let before = GC.GetAllocatedBytesForCurrentThread()
        search ()
        Assert.Equal(0L, GC.GetAllocatedBytesForCurrentThread() - before)

[<Fact>]
let ``conditions are asked for among the routes of one host and path only, however many others there are``
    ()
    =
    let asked router =
        requests
        |> List.map (fun (host, path) ->
            let view = Counting(host, path)
            let found = Router.find view router
            found |> ValueOption.map Routing.nameOf, view.Asked)

    let few = asked (many 6)
    Assert.Equal<(string voption * int) list>(few, asked (many 600))
    // The second of a pair is asked first, for its two conditions, and then the one that wins.
    Assert.Equal<int list>([ 3; 3; 3; 3; 0; 0; 0 ], List.map snd few)
