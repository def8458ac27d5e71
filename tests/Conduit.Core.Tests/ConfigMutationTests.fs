module Conduit.Tests.ConfigMutationTests

open FsCheck
open FsCheck.FSharp
open Xunit
open Conduit

let private scalars = [
    ""
    "0"
    "-1"
    "99999999999999999999"
    "true"
    "1s"
    "1e400"
    "::"
    "[::1]:80"
    ":"
    "http://"
    "http://x:0"
    "http://x;weight=;id"
    ";;;"
    "file:"
    "file:\000"
    "${X}"
    "${"
    "${Y:-}"
    "\000"
    "\uD800"
    "é"
    String.replicate 2000 "x"
]

let private origin = Origin.Given "mutation"

/// Anything at all.
let private anything =
    let scalar = Gen.elements scalars |> Gen.map (Node.scalar origin)

    Gen.oneof [
        Gen.constant {
            Origin = origin
            Value = NodeValue.Nothing
        }
        scalar
        Gen.listOf scalar
        |> Gen.map (fun items -> {
            Origin = origin
            Value = NodeValue.Sequence items
        })
        Gen.elements Keys.paths
        |> Gen.map (fun path -> path.Split '.' |> Array.last)
        |> Gen.map2
            (fun node key ->
                Node.mapping origin [
                    {
                        Key = key
                        KeyOrigin = origin
                        Node = node
                    }
                ])
            scalar
    ]

/// The list with an item dropped, doubled, moved to the front, or changed.
let private inList change (items: 'a list) = gen {
    let! index = Gen.choose (0, items.Length - 1)
    let item = items[index]

    return!
        Gen.frequency [
            1, Gen.constant (List.removeAt index items)
            1, Gen.constant (List.insertAt index item items)
            1, Gen.constant (item :: List.removeAt index items)
            8, change item |> Gen.map (fun changed -> List.updateAt index changed items)
        ]
}

let rec private mutate (node: Node) : Gen<Node> =
    let with' value = { node with Value = value }

    match node.Value with
    | NodeValue.Mapping(_ :: _ as entries) ->
        Gen.frequency [
            1, anything
            9,
            entries
            |> inList (fun entry ->
                Gen.frequency [
                    1,
                    Gen.elements [ ""; "backends"; "url"; "\n"; "pools"; "x" ]
                    |> Gen.map (fun key -> { entry with Key = key })
                    7, mutate entry.Node |> Gen.map (fun node -> { entry with Node = node })
                ])
            |> Gen.map (NodeValue.Mapping >> with')
        ]
    | NodeValue.Sequence(_ :: _ as items) ->
        Gen.frequency [ 1, anything; 9, inList mutate items |> Gen.map (NodeValue.Sequence >> with') ]
    | _ -> anything

let private mutated = gen {
    let! config = ConfigGenerators.arbitrary.Generator
    let! times = Gen.choose (1, 4)

    return!
        (Gen.constant (Render.node config), [ 1..times ])
        ||> List.fold (fun document _ -> Gen.bind mutate document)
}

let private variable name = if name = "X" then Some "x" else None

let private readSecret (path: string) : Result<string, string> =
    if path.Contains '\000' then
        Error "no such file"
    else
        Ok "\n"

let private read document =
    Substitute.apply variable "" document
    |> Result.bind (ReadConfig.read readSecret)

let private isComplete (fault: Fault) =
    fault.Where <> "" && fault.What <> "" && fault.Remedy <> ""

[<Fact>]
let ``a thousand mutations of a right document are read, or refused with faults`` () =
    Property.checkMany (
        Prop.forAll (Arb.fromGen mutated) (fun document ->
            match read document with
            | Error faults -> not faults.IsEmpty && List.forall isComplete faults
            | Ok config ->
                // It is as good as any: it can be shown and read again, and started from.
                let pools = Reload.initial config |> Pools.fold State.empty |> _.Pools

                (ReadConfig.read readSecret (Render.node { config with Admin = None })).IsOk
                && Drift.find config { State.empty with Pools = pools } = []
                && pools.Count = config.Pools.Length)
    )

[<Fact>]
let ``mutations are refused often, and accepted now and then`` () =
    let accepted =
        mutated
        |> Gen.sampleWithSeed (Rnd 1UL) 30 1000
        |> Seq.countBy (fun document -> (read document).IsOk)
        |> Map.ofSeq

    Assert.True(accepted[true] > 5 && accepted[false] > 200, $"{accepted}")
