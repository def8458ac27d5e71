module Conduit.Tests.NamesTests

open FsCheck
open Xunit
open Conduit

let private candidates = [
    "round-robin"
    "weighted-round-robin"
    "least-connections"
    "random"
    "power-of-two-choices"
]

[<Fact>]
let ``the distance is zero between equals and only there`` () =
    Property.check (fun (a: string) (b: string) ->
        Names.distance a a = 0 && (Names.distance a b = 0) = (a = b))

[<Fact>]
let ``the distance is the same both ways`` () =
    Property.check (fun (a: string) (b: string) -> Names.distance a b = Names.distance b a)

[<Fact>]
let ``the distance lies between the difference of the lengths and the longer length`` () =
    Property.check (fun (a: string) (b: string) ->
        let distance = Names.distance a b
        distance >= abs (a.Length - b.Length) && distance <= max a.Length b.Length)

[<Fact>]
let ``each kind of slip is one edit`` () =
    Assert.Equal(1, Names.distance "random" "randm")
    Assert.Equal(1, Names.distance "random" "rrandom")
    Assert.Equal(1, Names.distance "random" "rendom")
    Assert.Equal(1, Names.distance "random" "rnadom")
    Assert.Equal(2, Names.distance "random" "nadom")

[<Fact>]
let ``a name with one letter left out, doubled or swapped is found, in any case`` () =
    Property.check (fun (NonNegativeInt which) (NonNegativeInt place) (slip: byte) ->
        let name = List.item (which % candidates.Length) candidates
        let at = place % (name.Length - 1)

        let typed =
            match slip % 3uy with
            | 0uy -> name.Remove(at, 1)
            | 1uy -> name.Insert(at, string name[at])
            | _ -> name.Remove(at, 1).Insert(at + 1, string name[at])

        Names.nearest candidates (typed.ToUpperInvariant()) = Some name)

[<Fact>]
let ``what is named is a candidate, and at most a third of the letters away`` () =
    Property.check (fun (known: string list) (name: string) ->
        match Names.nearest known name with
        | None -> true
        | Some found ->
            let edits = Names.distance (found.ToLowerInvariant()) (name.ToLowerInvariant())
            List.contains found known && edits * 3 <= max found.Length name.Length)

[<Fact>]
let ``the nearest of two is named`` () =
    Assert.Equal(Some "random", Names.nearest [ "randoms"; "random"; "tandem" ] "randon")

[<Fact>]
let ``a long name is not compared`` () =
    let name = System.String('x', 65)
    Assert.Equal(None, Names.nearest [ name ] name)

[<Fact>]
let ``the hint names the candidate, or is empty`` () =
    Assert.Equal(" (did you mean random?)", Names.hint candidates "randon")
    Assert.Equal("", Names.hint candidates "fastest")
