module Conduit.Tests.RoutingRewriteTests

open System
open FsCheck
open FsCheck.FSharp
open Xunit
open Conduit

let private prefix text =
    PathPrefix.parse "test" text |> Routing.right

let private rewrite strip add =
    Rewrite.create "test" PathPattern.Any (Option.map prefix strip) (Option.map prefix add)
    |> Routing.right

let private prefixes = Gen.elements [ None; Some "/a"; Some "/a/b"; Some "/ab" ]

let private targets =
    Gen.map3
        (fun path slash query -> path + slash + query)
        (Gen.elements [ ""; "/a"; "/a/b"; "/ab"; "/a/b/c"; "/x"; "/a//b"; "/%61" ])
        (Gen.elements [ "/"; "/c/"; "" ])
        (Gen.elements [ ""; "?"; "?/a=/a"; "?x=%2F&y" ])
    |> Gen.filter (fun target -> target.StartsWith '/')

let private cases = Gen.zip3 prefixes prefixes targets |> Arb.fromGen

[<Fact>]
let ``the result begins with a slash and keeps the query`` () =
    let query (target: string) =
        match target.IndexOf '?' with
        | -1 -> ""
        | at -> target.Substring at

    Property.check (
        Prop.forAll cases (fun (strip, add, target) ->
            let result = Rewrite.apply (rewrite strip add) target
            result.StartsWith '/' && query result = query target)
    )

[<Fact>]
let ``segments are stripped and added whole`` () =
    let segments (target: string) =
        let path = target.Split('?')[0]
        List.ofArray (path.Substring(1).Split '/')

    Property.check (
        Prop.forAll cases (fun (strip, add, target) ->
            let of' prefix =
                prefix |> Option.map segments |> Option.defaultValue []

            let all = segments target

            let rest =
                if List.truncate (of' strip).Length all = of' strip then
                    List.skip (of' strip).Length all
                else
                    all

            let expected =
                match of' add @ rest with
                // A path cannot be without any segment; an empty one stands for it.
                | [] -> [ "" ]
                | segments -> segments

            segments (Rewrite.apply (rewrite strip add) target) = expected)
    )

[<Fact>]
let ``what is stripped and added again is the same`` () =
    Property.check (
        Prop.forAll cases (fun (strip, _, target) ->
            let again = Rewrite.apply (rewrite strip strip) target

            match strip with
            | Some prefix when not (PathPattern.matches (target.Split('?')[0]) (Routing.prefix prefix)) ->
                again = prefix + target
            | _ -> again = target)
    )

[<Theory>]
[<InlineData("/api", null, "/api", "/")>]
[<InlineData("/api", null, "/api?x=1", "/?x=1")>]
[<InlineData("/api", null, "/api/", "/")>]
[<InlineData("/api", null, "/api/x/?y=/api", "/x/?y=/api")>]
[<InlineData("/api", null, "/apix", "/apix")>]
[<InlineData("/api", null, "/api%2Fx", "/api%2Fx")>]
[<InlineData("/api", null, "/x?/api/y", "/x?/api/y")>]
[<InlineData("/api", "/v2", "/api", "/v2")>]
[<InlineData("/api", "/v2", "/api/", "/v2/")>]
[<InlineData("/api", "/v2", "/api?x", "/v2?x")>]
[<InlineData("/api", "/v2", "/api/x", "/v2/x")>]
[<InlineData(null, "/v2", "/", "/v2/")>]
[<InlineData(null, "/v2", "/x%2fy", "/v2/x%2fy")>]
let ``a target is rewritten`` (strip: string | null, add: string | null, target: string, expected: string) =
    let route = {
        Routing.route "it" Routing.everything with
            Rewrite = rewrite (Option.ofObj strip) (Option.ofObj add)
    }

    Assert.Equal(expected, Route.rewritePath route target)

[<Fact>]
let ``with nothing to do the target is given back itself`` () =
    let target = String.Concat("/apix", "?y")

    for none in [ Rewrite.none; rewrite (Some "/api") None ] do
        Assert.Same(target, Rewrite.apply none target)

[<Theory>]
[<InlineData("/api", "/v1", false)>]
[<InlineData("/api", "/ap", false)>]
[<InlineData("/api", "/apix", false)>]
[<InlineData("/api", "/api", true)>]
[<InlineData("/api/v1", "/api", true)>]
[<InlineData("/api", "/api/v1", true)>]
[<InlineData("/", "/api", true)>]
let ``only what a path of the route can begin with is stripped``
    (path: string, strip: string, isRight: bool)
    =
    match Rewrite.create "routes[0].strip_prefix" (Routing.prefix path) (Some(prefix strip)) None with
    | Ok read ->
        Assert.True isRight
        Assert.Equal(Some(prefix strip), read.Strip)
    | Error fault ->
        Assert.False isRight
        Assert.Equal($"no path of the route begins with '{strip}'", fault.What)

[<Theory>]
[<InlineData("/api/v1", true)>]
[<InlineData("/api", true)>]
[<InlineData("/api/v1/x", false)>]
let ``of an exact path only its own beginning is stripped`` (strip: string, isRight: bool) =
    Assert.Equal(isRight, (Rewrite.create "test" (Routing.exact "/api/v1") (Some(prefix strip)) None).IsOk)

[<Theory>]
[<InlineData("/")>]
[<InlineData("//")>]
let ``a prefix without a segment is refused`` (text: string) =
    match PathPrefix.parse "test" text with
    | Ok prefix -> failwith $"read as {prefix}"
    | Error fault -> Assert.Equal($"'{text}' names no segment", fault.What)
