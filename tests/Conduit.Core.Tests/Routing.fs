namespace Conduit.Tests

open FsCheck
open FsCheck.FSharp
open Conduit

/// A request as the tests of routing write it.
type Asked = {
    Method: string
    Host: string
    Path: string
    /// By name in lower case.
    Headers: Map<string, string>
    Query: Map<string, string>
} with

    interface IRequestView with
        member this.Method = this.Method
        member this.Host = this.Host
        member this.Path = this.Path

        member this.TryHeader name =
            Map.tryFind (name.ToLowerInvariant()) this.Headers |> Option.toValueOption

        member this.TryQuery name =
            Map.tryFind name this.Query |> Option.toValueOption

/// Routes and requests of a small world, so that many match and few are alike.
[<RequireQualifiedAccess>]
module Routing =

    let right result =
        match result with
        | Ok value -> value
        | Error fault -> failwith $"a test wrote something wrong: {fault}"

    let host text = HostPattern.parse "test" text |> right
    let exact text = PathPattern.exact "test" text |> right
    let prefix text = PathPattern.prefix "test" text |> right
    let method text = Method.parse "test" text |> right

    let header name value =
        let value = value |> Option.map (HeaderValue.create "test" >> right)
        HeaderMatch.create (HeaderName.create "test" name |> right) value

    let parameter name value =
        QueryMatch.create "test" name value |> right

    let matching hostText path methods headers query =
        RouteMatch.create "test" (host hostText) path (List.map method methods) headers query
        |> right

    let everything = matching "*" PathPattern.Any [] [] []

    /// A route to the default pool.
    let route name wanted = {
        Route.create wanted PoolName.defaultPool with
            Name = RouteName.create "test" name |> right
    }

    let place index = $"routes[{index}]"

    let router routes = Router.create place routes |> right

    let nameOf (route: Route) = RouteName.value route.Name

    /// The name of the route that is found; empty for none.
    let found (asked: Asked) router =
        match Router.find asked router with
        | ValueSome route -> nameOf route
        | ValueNone -> ""

    let get hostText path = {
        Method = "GET"
        Host = hostText
        Path = path
        Headers = Map.empty
        Query = Map.empty
    }

    let private upTo count (values: 'a list) =
        Gen.choose (0, count)
        |> Gen.bind (fun count -> Gen.shuffle values |> Gen.map (Array.truncate count >> Array.toList))

    let private hosts =
        Gen.elements [
            "*"
            "*.com"
            "*.example.com"
            "*.a.example.com"
            "example.com"
            "a.example.com"
            "b.a.example.com"
            "[::1]"
        ]

    let private path =
        Gen.choose (0, 3)
        |> Gen.bind (fun depth -> Gen.listOfLength depth (Gen.elements [ "a"; "b"; "ab"; "%61"; "" ]))
        |> Gen.map (fun segments -> "/" + String.concat "/" segments)

    let private paths =
        Gen.frequency [
            1, Gen.constant PathPattern.Any
            2, path |> Gen.map exact
            5, path |> Gen.map (fun path -> prefix ("/" + path.Trim '/'))
        ]

    let private pairs names =
        Gen.map2
            (List.map2 (fun name value -> name, value))
            (Gen.shuffle names |> Gen.map Array.toList)
            (Gen.listOfLength (List.length names) (Gen.elements [ None; Some "1"; Some "2" ]))

    let private conditions names condition =
        Gen.frequency [
            2, Gen.constant []
            1,
            Gen.map2
                (fun count pairs -> pairs |> List.truncate count |> List.map (fun pair -> pair ||> condition))
                (Gen.choose (0, 2))
                (pairs names)
        ]

    let matches =
        Gen.map5
            matching
            hosts
            paths
            (Gen.frequency [ 2, Gen.constant []; 1, upTo 2 [ "GET"; "POST"; "PUT" ] ])
            (conditions [ "X-A"; "x-b" ] header)
            (conditions [ "p"; "q" ] parameter)

    /// Routes without conflict: each matches something else, and bears a name that says nothing about its
    /// place.
    let routes =
        gen {
            let! wanted =
                Gen.choose (0, 40) |> Gen.bind (fun count -> Gen.listOfLength count matches)

            let distinct = List.distinct wanted
            let! numbers = Gen.shuffle [ 1 .. distinct.Length ]
            return List.map2 (fun number -> route $"r{number}") (List.ofArray numbers) distinct
        }
        |> fun routes ->
            Arb.fromGenShrink (
                routes,
                List.indexed
                >> fun all -> seq {
                    for omitted, _ in all do
                        all |> List.filter (fun (index, _) -> index <> omitted) |> List.map snd
                }
            )

    let private authorities =
        Gen.map3
            (fun (name: string) (upper: bool) ending ->
                (if upper then name.ToUpperInvariant() else name) + ending)
            (Gen.elements [
                "com"
                "example.com"
                "a.example.com"
                "b.example.com"
                "b.a.example.com"
                "c.b.a.example.com"
                "xexample.com"
                "example.org"
                ""
                "[::1]"
            ])
            (Gen.elements [ false; true ])
            (Gen.elements [ ""; "."; ":8080"; ".:80" ])

    let private values names =
        pairs names
        |> Gen.map (fun pairs ->
            Map [
                for name, value in pairs do
                    match value with
                    | Some value -> name, value
                    | None -> ()
            ])

    let asked =
        gen {
            let! method = Gen.elements [ "GET"; "POST"; "PUT"; "get" ]
            let! host = authorities
            let! path = Gen.frequency [ 20, path; 1, Gen.constant "*" ]
            let! headers = values [ "x-a"; "x-b" ]
            let! query = values [ "p"; "q" ]

            return {
                Method = method
                Host = host
                Path = path
                Headers = headers
                Query = query
            }
        }
        |> Arb.fromGen

    /// Routes and twenty requests.
    let worlds =
        let requests = Gen.listOfLength 20 asked.Generator

        Arb.fromGenShrink (
            Gen.zip routes.Generator requests,
            fun (all, asked) -> seq {
                if asked.Length > 1 then
                    for one in asked do
                        all, [ one ]

                for fewer in routes.Shrinker all do
                    fewer, asked
            }
        )
