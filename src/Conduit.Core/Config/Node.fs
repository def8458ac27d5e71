namespace Conduit

/// Where a piece of configuration was written.
[<RequireQualifiedAccess>]
type Origin =
    /// Lines and columns count from 1.
    | File of name: string * line: int * column: int
    /// A flag (`--port`) or a variable (`PROXY_PORT`).
    | Given of string

/// A document of the configuration, whatever it was written in.
type Node = { Origin: Origin; Value: NodeValue }

and [<RequireQualifiedAccess>] NodeValue =
    | Nothing
    | Scalar of string
    | Sequence of Node list
    | Mapping of Entry list

and Entry = {
    Key: string
    KeyOrigin: Origin
    Node: Node
}

[<RequireQualifiedAccess>]
module Node =

    let scalar origin text = {
        Origin = origin
        Value = NodeValue.Scalar text
    }

    let mapping origin entries = {
        Origin = origin
        Value = NodeValue.Mapping entries
    }

    /// How a fault names the place: `file:line:column: path`, or the flag. Numbers are made text by
    /// `string`: a format is many times slower, and large files have tens of thousands of places.
    let where origin (path: string) =
        match origin with
        | Origin.Given name -> name
        | Origin.File(name, line, column) when path = "" -> $"{name}:{string line}:{string column}"
        | Origin.File(name, line, column) -> $"{name}:{string line}:{string column}: {path}"

    /// What is at `path` and below becomes `node`; mappings on the way are made where there is nothing.
    /// Where something else is in the way it stays, for the reader to find fault with.
    let rec put (path: string list) (node: Node) (into: Node) : Node =
        match path, into.Value with
        | [], _ -> node
        | _, NodeValue.Scalar _
        | _, NodeValue.Sequence _ -> into
        | key :: rest, NodeValue.Nothing -> {
            into with
                Value = NodeValue.Mapping [ entry key rest node ]
          }
        | key :: rest, NodeValue.Mapping entries ->
            match entries |> List.tryFindIndex (fun entry -> entry.Key = key) with
            | None -> {
                into with
                    Value = NodeValue.Mapping(entries @ [ entry key rest node ])
              }
            | Some index ->
                let before = entries[index]

                let after = {
                    before with
                        Node = put rest node before.Node
                }

                {
                    into with
                        Value = NodeValue.Mapping(List.updateAt index after entries)
                }

    and private entry key rest node = {
        Key = key
        KeyOrigin = node.Origin
        Node =
            put rest node {
                Origin = node.Origin
                Value = NodeValue.Nothing
            }
    }
