namespace Conduit.Server.Tests

open System
open System.IO
open System.Text.Json
open System.Text.Json.Nodes
open System.Text.RegularExpressions
open FsToolkit.ErrorHandling
open YamlDotNet.Core
open YamlDotNet.RepresentationModel
open Conduit
open Conduit.Server

/// Configurations as texts.
[<RequireQualifiedAccess>]
module WrittenConfig =

    let private parse language text =
        match language with
        | "json" -> JsonTree.parse "conduit.json" text
        | _ -> YamlTree.parse "conduit.yaml" text

    /// What a text says in an environment. Every secret can be had.
    let readIn (environment: Map<string, string>) language (text: string) : Result<Config, Fault list> =
        result {
            let! document = parse language text
            let! document = Substitute.apply environment.TryFind "" document

            return!
                Overlay.ofEnvironment environment.TryFind
                |> Layers.over document
                |> ReadConfig.read (fun _ -> Ok "0123456789abcdef")
        }

    let read language text = readIn Map.empty language text

    /// What `conduit check` prints, with its options.
    let private printed (options: string) (config: Config) =
        match options.Trim() with
        | "" -> [ "ok" ]
        | "--print" -> (ConfigText.yaml (Render.node config)).TrimEnd('\n').Split '\n' |> List.ofArray
        | explained when explained.StartsWith "--explain" ->
            match Explain.lines config (explained.Split('\'')[1]) with
            | Ok lines -> lines
            | Error faults -> List.map Fault.render faults
        | other -> failwith $"{other} is no option of these tests"

    let private commandLine =
        Regex
            @"^(?:(?<name>\w+)=(?<value>\S*) )*conduit check(?: --config conduit\.(?:yaml|json))?(?<options>.*)$"

    /// The lines that a command line prints which runs `conduit check`, in an environment of its own.
    let run (file: DocumentedFile) (command: string) : string list =
        let found = commandLine.Match command
        Xunit.Assert.True(found.Success, $"{file.Where}: {command} is not understood")

        let environment =
            Seq.zip found.Groups["name"].Captures found.Groups["value"].Captures
            |> Seq.map (fun (name, value) -> name.Value, value.Value)
            |> Map.ofSeq

        match readIn environment file.Language file.Text with
        | Ok config -> printed found.Groups["options"].Value config
        | Error faults -> List.map Fault.render faults

    /// A text as editors see it: plain numbers and booleans of YAML are not texts.
    let rec private ofYaml (node: YamlNode) : JsonNode | null =
        match node with
        | :? YamlMappingNode as mapping ->
            let section = JsonObject()

            for pair in mapping.Children do
                section[string pair.Key] <- ofYaml pair.Value

            section
        | :? YamlSequenceNode as sequence -> JsonArray(sequence.Children |> Seq.map ofYaml |> Seq.toArray)
        | :? YamlScalarNode as scalar when
            scalar.Style = ScalarStyle.Plain
            && Regex.IsMatch(
                string scalar.Value,
                @"^(-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?|true|false|null)$"
            )
            ->
            JsonNode.Parse(string scalar.Value)
        | other -> JsonValue.Create(string other)

    /// The document as JSON.
    let json language (text: string) : JsonNode | null =
        match language with
        | "json" -> JsonNode.Parse text
        | _ ->
            let stream = YamlStream()
            stream.Load(new StringReader(text))
            ofYaml stream.Documents[0].RootNode

    /// The text of a single value that is written as YAML.
    let scalar (text: string) = string (json "yaml" text)

    let private schema =
        lazy (JsonDocument.Parse(Documents.read "docs/conduit.schema.json").RootElement)

    /// The schema that editors get.
    let schemaDocument () = schema.Value

    /// What an editor would mark.
    let marked (document: JsonNode | null) : string list =
        JsonSchema(schema.Value).Errors(schema.Value, JsonSerializer.SerializeToElement document, "")
