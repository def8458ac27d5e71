namespace Conduit.Tests

open Conduit

/// A configuration as a test writes it.
[<RequireQualifiedAccess>]
type Doc =
    | Nothing
    | Value of string
    | Items of Doc list
    | Section of (string * Doc) list

/// Documents with the positions that they would have in a file, and their reading.
[<RequireQualifiedAccess>]
module ConfigDocuments =

    let file = "conduit.yaml"

    let private at line column = Origin.File(file, line, column)

    /// The node of `doc` that begins there, and the line after it. Sections and lists are laid out as
    /// YAML blocks, with two spaces for each level.
    let rec private lay line column doc : Node * int =
        match doc with
        | Doc.Nothing ->
            {
                Origin = at line column
                Value = NodeValue.Nothing
            },
            line + 1
        | Doc.Value text -> Node.scalar (at line column) text, line + 1
        | Doc.Items items ->
            let nodes, next =
                ((fun line item -> lay line (column + 2) item), line, items)
                |||> fun step line items -> List.mapFold step line items

            {
                Origin = at line column
                Value = NodeValue.Sequence nodes
            },
            next
        | Doc.Section entries ->
            let entry line (key: string, doc) =
                let node, next =
                    match doc with
                    | Doc.Items(_ :: _)
                    | Doc.Section(_ :: _) -> lay (line + 1) (column + 2) doc
                    | _ -> lay line (column + key.Length + 2) doc

                {
                    Key = key
                    KeyOrigin = at line column
                    Node = node
                },
                next

            let entries, next = List.mapFold entry line entries
            Node.mapping (at line column) entries, next

    /// The document as it stands in a file of its own.
    let node doc = lay 1 1 doc |> fst

    let secret text =
        match Secret.token "test" text with
        | Ok secret -> secret
        | Error fault -> failwith (Fault.render fault)

    let noSecrets (_: string) : Result<string, string> = Error "there are no secrets here"

    let read doc = ReadConfig.read noSecrets (node doc)

    /// What a right document says; fails when it is wrong.
    let right doc =
        match read doc with
        | Ok config -> config
        | Error faults -> failwith (faults |> List.map Fault.render |> String.concat "\n")

    /// The rendered faults of a wrong document; none when it is right.
    let faults doc =
        match read doc with
        | Ok _ -> []
        | Error faults -> faults |> List.map Fault.render

    let value (text: string) = Doc.Value text

    let values texts = Doc.Items(List.map Doc.Value texts)

    /// One good backend, for documents that are about something else.
    let backends = "backends", values [ "http://10.0.0.1:8081" ]
