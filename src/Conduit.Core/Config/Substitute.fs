namespace Conduit

open System.Text.RegularExpressions
open FsToolkit.ErrorHandling

/// `${NAME}` and `${NAME:-default}` in the values of a configuration; `$${` stands for `${` itself.
[<RequireQualifiedAccess>]
module Substitute =

    let private pattern =
        Regex(@"\$\$\{|\$\{(?<name>[A-Za-z_][A-Za-z0-9_]*)(?<rest>:-(?<default>[^}]*))?\}|\$\{")

    let private text (variable: string -> string option) where (value: string) : Validation<string, Fault> =
        let faults = ResizeArray<Fault>()

        let replace (found: Match) =
            let name = found.Groups["name"].Value

            if found.Value = "$${" then
                "${"
            elif name = "" then
                faults.Add(
                    Fault.create
                        where
                        // Not the value itself: it may be a secret.
                        "has a '${' without an end or a name"
                        "write ${NAME}, or $${ for the characters"
                )

                ""
            else
                match variable name with
                | Some set when set <> "" -> set
                | _ when found.Groups["rest"].Success -> found.Groups["default"].Value
                | _ ->
                    faults.Add(
                        Fault.create
                            where
                            $"the variable {name} is not set"
                            $"set it, or write ${{{name}:-default}}"
                    )

                    ""

        let replaced = pattern.Replace(value, replace)

        if faults.Count = 0 then
            Ok replaced
        else
            Error(List.ofSeq faults)

    let rec private isAsked (node: Node) =
        match node.Value with
        | NodeValue.Nothing -> false
        | NodeValue.Scalar value -> value.Contains "${"
        | NodeValue.Sequence items -> List.exists isAsked items
        | NodeValue.Mapping entries -> entries |> List.exists (fun entry -> isAsked entry.Node)

    /// The document with every value filled in, or a fault for each variable that is missing.
    let rec apply variable path (node: Node) : Validation<Node, Fault> =
        match node.Value with
        | _ when not (isAsked node) -> Ok node
        | NodeValue.Nothing -> Ok node
        | NodeValue.Scalar value ->
            text variable (Node.where node.Origin path) value
            |> Validation.map (fun value -> {
                node with
                    Value = NodeValue.Scalar value
            })
        | NodeValue.Sequence items ->
            items
            |> List.mapi (fun i item -> apply variable $"{path}[{string i}]" item)
            |> List.sequenceValidationA
            |> Validation.map (fun items -> {
                node with
                    Value = NodeValue.Sequence items
            })
        | NodeValue.Mapping entries ->
            entries
            |> List.traverseValidationA (fun entry ->
                let below = if path = "" then entry.Key else $"{path}.{entry.Key}"

                apply variable below entry.Node
                |> Validation.map (fun node -> { entry with Node = node }))
            |> Validation.map (fun entries -> {
                node with
                    Value = NodeValue.Mapping entries
            })
