module Conduit.Tests.StatusSetTests

open FsCheck
open FsCheck.FSharp
open Xunit
open Conduit

let private right text =
    match StatusSet.parse "test" text with
    | Ok set -> set
    | Error fault -> failwith (Fault.render fault)

let private all = [ 100..599 ]

let private members set =
    all |> List.filter (fun status -> StatusSet.contains status set)

let private ranges =
    let status = Gen.choose (100, 599)

    Gen.map2 (fun a b -> min a b, max a b) status status
    |> Gen.listOf
    |> Arb.fromGen

[<Fact>]
let ``a union has what its parts have, and no more`` () =
    Property.check (
        Prop.forAll ranges (fun ranges ->
            let expected =
                all
                |> List.filter (fun status ->
                    ranges |> List.exists (fun (first, last) -> first <= status && status <= last))

            let set = ranges |> List.map (fun (a, b) -> StatusSet.range a b) |> StatusSet.union
            members set = expected && StatusSet.isEmpty set = expected.IsEmpty)
    )

[<Fact>]
let ``sets with the same members are equal, and read back as they are written`` () =
    Property.check (
        Prop.forAll ranges (fun ranges ->
            let set = ranges |> List.map (fun (a, b) -> StatusSet.range a b) |> StatusSet.union
            let one = members set |> List.map (fun status -> StatusSet.range status status)

            StatusSet.union one = set
            && StatusSet.union (StatusSet.format set |> List.map right) = set)
    )

[<Theory>]
[<InlineData("503", 503, 503)>]
[<InlineData("500-504", 500, 504)>]
[<InlineData("5xx", 500, 599)>]
[<InlineData(" 4XX ", 400, 499)>]
let ``a status, a range and a class are read`` (text: string, first: int, last: int) =
    Assert.Equal(StatusSet.range first last, right text)

[<Theory>]
[<InlineData "">]
[<InlineData "99">]
[<InlineData "600">]
[<InlineData "504-500">]
[<InlineData "6xx">]
[<InlineData "500-">]
[<InlineData "500-501-502">]
[<InlineData "-500">]
let ``anything else is refused`` (text: string) =
    Assert.True((StatusSet.parse "test" text).IsError)
