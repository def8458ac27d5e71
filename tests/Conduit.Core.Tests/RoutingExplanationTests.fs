module Conduit.Tests.RoutingExplanationTests

open FsCheck.FSharp
open Xunit
open Conduit

[<Fact>]
let ``the winner is the route that is found`` () =
    Property.check (
        Prop.forAll Routing.worlds (fun (routes, requests) ->
            let router = Routing.router routes

            requests
            |> List.forall (fun asked ->
                let explanation = Router.explain asked router

                let winners = [
                    for route, verdict in explanation.Steps do
                        if verdict = Verdict.Wins then
                            route
                ]

                explanation.Winner = Router.find asked router
                && winners = (explanation.Winner |> ValueOption.toList)))
    )

[<Fact>]
let ``every route has a verdict, and the right one`` () =
    Property.check (
        Prop.forAll Routing.worlds (fun (routes, requests) ->
            let router = Routing.router routes

            requests
            |> List.forall (fun asked ->
                let explanation = Router.explain asked router

                (List.map fst explanation.Steps) = router.Routes
                && explanation.Steps
                   |> List.forall (fun (route, verdict) ->
                       match verdict with
                       | Verdict.Wins
                       | Verdict.Outranked _ -> RoutingReference.matches asked route
                       | Verdict.PassedOver mismatches ->
                           mismatches <> [] && not (RoutingReference.matches asked route))))
    )

let private router =
    let api = Routing.prefix "/api"

    Routing.router [
        Routing.route "api" (Routing.matching "www.example.com" api [] [] [])
        Routing.route "writes" (Routing.matching "www.example.com" api [ "POST"; "PUT" ] [] [])
        Routing.route
            "beta"
            (Routing.matching "www.example.com" api [] [ Routing.header "X-Beta" (Some "yes") ] [
                Routing.parameter "debug" None
            ])
        Route.create (Routing.matching "www.example.com" (Routing.exact "/api") [] [] []) PoolName.defaultPool
        Routing.route "sub" (Routing.matching "*.example.com" api [] [] [])
        Routing.route "web" Routing.everything
        Routing.route "docs" (Routing.matching "*" (Routing.prefix "/docs") [] [] [])
        for number in 1..7 do
            Routing.route
                $"tenant{number}"
                (Routing.matching $"t{number}.example.com" PathPattern.Any [] [] [])
    ]

let private lines asked =
    Router.explain asked router |> Explanation.render

[<Fact>]
let ``a person reads what became of each route`` () =
    let asked = {
        Routing.get "www.example.com" "/api/users" with
            Headers = Map [ "x-beta", "no" ]
    }

    Assert.Equal<string list>(
        [
            "GET '/api/users' of the host 'www.example.com'"
            "beta (www.example.com/api/* x-beta=yes ?debug): passed over, it wants the header x-beta=yes, which is 'no'; it wants the query ?debug, which is not there"
            "writes (www.example.com/api/* POST,PUT): passed over, it is for POST or PUT"
            "api (www.example.com/api/*): takes it, the most specific that matches"
            "sub (*.example.com/api/*): matches too, but its host is less specific"
            "web (*/*): matches too, but its host is less specific"
            "for another path: www.example.com/api, docs"
            "for another host: tenant1, tenant2, tenant3, tenant4, tenant5, and 2 more"
            "goes by the route api to the pool default"
        ],
        lines asked
    )

[<Fact>]
let ``a person reads that nothing matches`` () =
    let router =
        Routing.router [
            Routing.route "docs" (Routing.matching "*" (Routing.prefix "/docs") [] [] [])
        ]

    Assert.Equal<string list>(
        [ "GET '/' of the host ''"; "for another path: docs"; "no route matches" ],
        Router.explain (Routing.get "" "/") router |> Explanation.render
    )

[<Fact>]
let ``each criterion that decides is told`` () =
    let by (a: RouteMatch) (b: RouteMatch) =
        Precedence.decide (Routing.route "z" a) (Routing.route "a" b) |> Option.map fst

    let any = PathPattern.Any
    let x = Routing.header "x" None
    let all = Routing.everything

    Assert.Equal<Criterion option list>(
        [
            Some Criterion.Host
            Some Criterion.Path
            Some Criterion.Conditions
            Some Criterion.Values
            Some Criterion.Methods
            Some Criterion.Name
        ],
        [
            by (Routing.matching "h" any [] [] []) (Routing.matching "*" (Routing.exact "/a") [] [] [])
            by
                (Routing.matching "*" (Routing.prefix "/a") [] [] [])
                (Routing.matching "*" any [ "GET" ] [] [])
            by (Routing.matching "*" any [ "GET"; "PUT" ] [] []) all
            by
                (Routing.matching "*" any [] [ Routing.header "x" (Some "1") ] [])
                (Routing.matching "*" any [] [ x ] [])
            by (Routing.matching "*" any [ "GET" ] [] []) (Routing.matching "*" any [ "GET"; "PUT" ] [] [])
            by
                (Routing.matching "*" any [] [ x ] [])
                (Routing.matching "*" any [] [ Routing.header "y" None ] [])
        ]
    )
