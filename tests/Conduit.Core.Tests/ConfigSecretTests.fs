module Conduit.Tests.ConfigSecretTests

open System
open FsCheck.FSharp
open Xunit
open Conduit

let private hidden = "s3cr3t-t0ken-of-an-operator"
let private secret = ConfigDocuments.secret hidden

let private config =
    ConfigDocuments.right (
        Doc.Section [
            ConfigDocuments.backends
            "admin", Doc.Section [ "token", ConfigDocuments.value hidden ]
        ]
    )

/// Every way in which a value becomes a text by itself.
let private shown (value: 'a) = [
    string value
    sprintf "%A" value
    sprintf "%+A" value
    sprintf "%O" value
    $"{value}"
    $"%A{value}"
    String.Format("{0}", value)
    sprintf "%A" [ value ]
    sprintf "%+A" (Some value)
    sprintf "%A" {| Value = value |}
]

[<Fact>]
let ``a secret shows itself only when it is asked to`` () =
    Assert.Equal(hidden, secret.Reveal())

    for text in shown secret do
        Assert.DoesNotContain("s3cr3t", text)
        Assert.Contains("********", text)

[<Fact>]
let ``a configuration does not show its secrets`` () =
    for text in
        shown config
        @ shown config.Admin
        @ shown (Ok config: Result<Config, Fault list>) do
        Assert.DoesNotContain("s3cr3t", text)

[<Fact>]
let ``what is rendered does not show a secret`` () =
    let rec texts (node: Node) = [
        match node.Value with
        | NodeValue.Nothing -> ()
        | NodeValue.Scalar text -> text
        | NodeValue.Sequence items -> yield! List.collect texts items
        | NodeValue.Mapping entries ->
            for entry in entries do
                entry.Key
                yield! texts entry.Node
    ]

    Property.check (
        Prop.forAll ConfigGenerators.arbitrary (fun config ->
            Render.node config
            |> texts
            |> List.forall (fun text -> not (text.Contains "s3cr3t")))
    )

[<Fact>]
let ``a fault does not show a token`` () =
    let faults =
        ConfigDocuments.faults (
            Doc.Section [
                ConfigDocuments.backends
                "admin",
                Doc.Section [
                    "token", ConfigDocuments.value "s3cr3t"
                    "tokn", ConfigDocuments.value "s3cr3t"
                ]
            ]
        )

    Assert.Equal(2, faults.Length)
    Assert.DoesNotContain("s3cr3t", String.concat "\n" faults)

[<Fact>]
let ``secrets are equal when their texts are`` () =
    Assert.True((secret = ConfigDocuments.secret hidden))
    Assert.False((secret = ConfigDocuments.secret "another-of-sixteen"))
