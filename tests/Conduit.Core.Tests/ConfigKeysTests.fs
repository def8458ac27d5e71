module Conduit.Tests.ConfigKeysTests

open Xunit
open Conduit

/// A document that has `inner` at the path of a key, as `Keys` writes paths.
let private document (path: string) inner =
    (path.Split '.', inner)
    ||> Array.foldBack (fun segment inner ->
        let key =
            if segment = "NAME" then
                "web"
            else
                segment.Replace("[]", "")

        Doc.Section [ key, (if segment.EndsWith "[]" then Doc.Items [ inner ] else inner) ])

let private faultsOf path inner =
    let document = if path = "" then inner else document path inner

    match ConfigDocuments.read document with
    | Ok _ -> []
    | Error faults -> faults

let private nonsense = Doc.Section [ "nonsense", ConfigDocuments.value "1" ]

let private inDocument (path: string) =
    path.Replace("NAME", "web").Replace("[]", "[0]")

let sections: TheoryData<string> =
    TheoryData<string>(Keys.sections |> List.map fst |> List.filter ((<>) "pools"))

[<Theory>]
[<MemberData(nameof sections)>]
let ``a section is read, and its keys are those that are listed`` (section: string) =
    let keys =
        Keys.sections
        |> List.find (fun (path, _) -> path = section)
        |> snd
        |> String.concat ", "

    Assert.Contains(
        faultsOf section nonsense,
        fun fault ->
            fault.What = "the key 'nonsense' is not known"
            && fault.Remedy = $"the keys here are {keys}"
    )

let values: TheoryData<string> =
    let isSection path =
        Keys.sections
        |> List.exists (fun (section, _) -> section = path || section = path + "[]")

    // Below these an operator's own names stand, so that there is no key that is not known.
    let ofFreeNames = [
        "routes[].headers"
        "routes[].query"
        "routes[].request_headers.set"
        "routes[].response_headers.set"
    ]

    TheoryData<string>(
        Keys.paths
        |> List.filter (fun path -> not (isSection path || List.contains path ofFreeNames))
    )

[<Theory>]
[<MemberData(nameof values)>]
let ``a key that is no section is read as a value or as a list`` (path: string) =
    let expected = [ "is not a single value"; "is not a list" ]

    Assert.Contains(
        faultsOf path nonsense,
        fun fault ->
            List.contains fault.What expected
            && fault.Where.EndsWith(": " + inDocument path)
    )

[<Fact>]
let ``no key is listed twice`` () =
    Assert.Equal<string list>(List.distinct Keys.paths, Keys.paths)
