namespace Conduit.Server

open Conduit

/// Flags and variables as pieces of a configuration: what they say goes over what the file says, and
/// is read and checked in the same way. A fault names the flag or the variable.
[<RequireQualifiedAccess>]
module Overlay =

    /// A single value.
    let value path name text =
        path, Node.scalar (Origin.Given name) text

    /// The values of a section.
    let section path name (values: (string * string) list) =
        let origin = Origin.Given name

        path,
        Node.mapping origin [
            for key, text in values do
                {
                    Key = key
                    KeyOrigin = origin
                    Node = Node.scalar origin text
                }
        ]

    /// A list, written with commas.
    let list path name (text: string) =
        let origin = Origin.Given name

        path,
        {
            Origin = origin
            Value =
                text.Split ','
                |> Seq.map _.Trim()
                |> Seq.filter ((<>) "")
                |> Seq.map (Node.scalar origin)
                |> List.ofSeq
                |> NodeValue.Sequence
        }

    /// What the environment says; a variable that is empty says nothing.
    let ofEnvironment (variable: string -> string option) = [
        let given name piece =
            variable name
            |> Option.filter ((<>) "")
            |> Option.map (piece name)
            |> Option.toList

        yield! given "BACKEND_SERVERS" (list [ "backends" ])
        yield! given "PROXY_PORT" (value [ "listen"; "port" ])
        yield! given "DASHBOARD_PORT" (value [ "admin"; "port" ])

        yield!
            given "LOG_ENV" (fun name text ->
                value [ "log"; "format" ] name (if text = "prod" then "json" else "text"))
    ]
