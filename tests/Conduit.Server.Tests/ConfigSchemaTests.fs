namespace Conduit.Server.Tests

open System.Text.Json
open System.Text.Json.Nodes
open Xunit
open Conduit

/// The schema that editors get has the keys, the words and the defaults of the document.
module ConfigSchemaTests =

    let sections: TheoryData<string> =
        TheoryData<string>(Keys.sections |> List.map fst |> List.filter ((<>) "pools"))

    [<Theory>]
    [<MemberData(nameof sections)>]
    let ``a section has the keys that it has for the reader, and no others`` (name: string) =
        let keys = Keys.sections |> List.find (fst >> (=) name) |> snd
        Assert.Equal<string list>(List.sort keys, ConfigSchema.properties name |> List.map fst |> List.sort)

        for choice in ConfigSchema.choices (ConfigSchema.section name) do
            if ConfigSchema.tryProperty "properties" choice |> Option.isSome then
                Assert.Equal(JsonValueKind.False, choice.GetProperty("additionalProperties").ValueKind)

    [<Fact>]
    let ``a key is described in the words of the document, and has the same default`` () =
        for key in Documents.keys () do
            if key.Key <> "NAME" then
                let found =
                    ConfigSchema.properties key.Section |> List.find (fst >> (=) key.Key) |> snd

                let where = $"{key.Section} {key.Key}"

                Assert.Equal(
                    (where, key.Meaning),
                    (where, string (found.GetProperty("description").GetString()))
                )

                let byDefault =
                    ConfigSchema.tryProperty "default" found
                    |> Option.map (fun value ->
                        match value.ValueKind with
                        | JsonValueKind.String -> string (value.GetString())
                        | _ -> string (JsonNode.Parse(value.GetRawText())))

                Assert.Equal((where, Option.map WrittenConfig.scalar key.Default), (where, byDefault))

    /// Every object of the schema that is a schema.
    let rec private all (element: JsonElement) : JsonElement list = [
        element

        for keyword in element.EnumerateObject() do
            match keyword.Name, keyword.Value.ValueKind with
            | ("properties" | "$defs"), _ ->
                for each in keyword.Value.EnumerateObject() do
                    yield! all each.Value
            | ("anyOf" | "allOf"), _ ->
                for each in keyword.Value.EnumerateArray() do
                    yield! all each
            | ("items" | "not" | "additionalProperties" | "propertyNames"), JsonValueKind.Object ->
                yield! all keyword.Value
            | _ -> ()
    ]

    [<Fact>]
    let ``every keyword is one that these tests heed, and every part is used`` () =
        for part in all ConfigSchema.root do
            for keyword in part.EnumerateObject() do
                Assert.Contains(keyword.Name, JsonSchema.Keywords)

        let references =
            all ConfigSchema.root
            |> List.choose (ConfigSchema.tryProperty "$ref")
            |> List.map (fun reference -> string (reference.GetString()))
            |> set

        let parts = [
            for part in ConfigSchema.root.GetProperty("$defs").EnumerateObject() -> $"#/$defs/{part.Name}"
        ]

        Assert.Equal<Set<string>>(set parts, references)
