module Conduit.Tests.ConfigSubstituteTests

open Xunit
open Conduit

let private variables =
    Map.ofList [ "HOST", "10.0.0.1"; "PORT", "8081"; "EMPTY", ""; "RAW", "${HOST}" ]

let private apply text =
    Doc.Section [ "a", ConfigDocuments.value text ]
    |> ConfigDocuments.node
    |> Substitute.apply (fun name -> Map.tryFind name variables) ""

let private filled text =
    match apply text with
    | Ok node ->
        match Place.root node |> Place.tryFind "a" with
        | Some place -> Place.text place
        | None -> failwith "the key is gone"
    | Error faults -> failwith (faults |> List.map Fault.render |> String.concat "\n")

[<Theory>]
[<InlineData("http://${HOST}:${PORT}", "http://10.0.0.1:8081")>]
[<InlineData("${NONE:-8082}", "8082")>]
[<InlineData("${PORT:-8082}", "8081")>]
[<InlineData("${EMPTY:-x}", "x")>]
[<InlineData("${NONE:-}", "")>]
[<InlineData("${NONE:-http://h:1/a}", "http://h:1/a")>]
[<InlineData("$${HOST}", "${HOST}")>]
[<InlineData("$HOST $ {HOST}", "$HOST $ {HOST}")>]
// What a variable says is not looked through again.
[<InlineData("${RAW}", "${HOST}")>]
let ``fills in`` (text: string, expected: string) = Assert.Equal(Ok expected, filled text)

[<Theory>]
[<InlineData("${NONE}", "the variable NONE is not set")>]
[<InlineData("${EMPTY}", "the variable EMPTY is not set")>]
[<InlineData("${HOST", "has a '${' without an end or a name")>]
[<InlineData("${}", "has a '${' without an end or a name")>]
[<InlineData("${1A}", "has a '${' without an end or a name")>]
let ``refuses`` (text: string, what: string) =
    match apply text with
    | Ok _ -> failwith "was accepted"
    | Error faults ->
        Assert.Equal<string list>([ what ], List.map _.What faults)
        Assert.Equal<string list>([ "conduit.yaml:1:4: a" ], List.map _.Where faults)

[<Fact>]
let ``every variable that is missing is told, wherever it stands`` () =
    let faults =
        Doc.Section [
            "a", ConfigDocuments.values [ "x"; "${ONE}${TWO}" ]
            "b", Doc.Section [ "c", ConfigDocuments.value "${THREE}" ]
        ]
        |> ConfigDocuments.node
        |> Substitute.apply (fun _ -> None) ""

    match faults with
    | Ok _ -> failwith "was accepted"
    | Error faults ->
        Assert.Equal<string list>(
            [ "conduit.yaml:3:5: a[1]"; "conduit.yaml:3:5: a[1]"; "conduit.yaml:5:6: b.c" ],
            List.map _.Where faults
        )

[<Fact>]
let ``a fault does not show the value, which may be a secret`` () =
    match apply "s3cr3t-${-token" with
    | Ok _ -> failwith "was accepted"
    | Error faults -> Assert.DoesNotContain("s3cr3t", faults |> List.map Fault.render |> String.concat "\n")

[<Fact>]
let ``a document without variables stays as it is`` () =
    Property.check (fun (texts: string list) ->
        let texts = texts |> List.filter (fun text -> not (text.Contains "${"))
        let node = ConfigDocuments.node (ConfigDocuments.values texts)
        Substitute.apply (fun _ -> None) "" node = Ok node)
