namespace Conduit.Server

open System.IO
open System.Text.Json.Nodes
open YamlDotNet.Core
open YamlDotNet.RepresentationModel
open Conduit

/// Documents as text for people and as JSON for programs.
[<RequireQualifiedAccess>]
module ConfigText =

    let rec private toYaml (node: Node) : YamlNode =
        match node.Value with
        | NodeValue.Nothing -> YamlScalarNode ""
        | NodeValue.Scalar text -> YamlScalarNode text
        | NodeValue.Sequence items -> YamlSequenceNode(items |> Seq.map toYaml)
        | NodeValue.Mapping entries ->
            let mapping = YamlMappingNode()

            for entry in entries do
                mapping.Add(entry.Key, toYaml entry.Node)

            mapping

    /// YAML, ending with a line break.
    let yaml (node: Node) =
        use writer = new StringWriter(NewLine = "\n")
        YamlStream(YamlDocument(toYaml node)).Save(Emitter writer, false)
        writer.ToString().Replace("...\n", "")

    let rec private toJson (node: Node) : JsonNode | null =
        match node.Value with
        | NodeValue.Nothing -> null
        | NodeValue.Scalar text -> JsonValue.Create text
        | NodeValue.Sequence items -> JsonArray(items |> Seq.map toJson |> Seq.toArray)
        | NodeValue.Mapping _ -> json node

    /// JSON, every value as a text; an empty object for what is no section.
    and json (node: Node) : JsonNode =
        let result = JsonObject()

        match node.Value with
        | NodeValue.Mapping entries ->
            for entry in entries do
                result[entry.Key] <- toJson entry.Node
        | _ -> ()

        result
