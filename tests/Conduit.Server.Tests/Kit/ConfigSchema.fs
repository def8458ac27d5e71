namespace Conduit.Server.Tests

open System.Text.Json

/// The schema of the configuration, by the sections of `Keys.sections`.
[<RequireQualifiedAccess>]
module ConfigSchema =

    let root = WrittenConfig.schemaDocument ()
    let private schema = JsonSchema root

    /// A keyword of a schema.
    let tryProperty (name: string) (element: JsonElement) =
        match element.ValueKind with
        | JsonValueKind.Object ->
            match element.TryGetProperty name with
            | true, found -> Some found
            | _ -> None
        | _ -> None

    /// The schemas that a value under this one may follow.
    let rec choices (element: JsonElement) : JsonElement list =
        let resolved = schema.Resolve element

        match tryProperty "anyOf" resolved with
        | Some several -> several.EnumerateArray() |> Seq.collect choices |> List.ofSeq
        | None -> [ resolved ]

    /// The schema of what a section holds, named as in `Keys.sections`.
    let section (name: string) : JsonElement =
        let below (element: JsonElement) (segment: string) =
            let key = segment.Replace("[]", "")

            let found =
                choices element
                |> List.pick (fun choice ->
                    if key = "NAME" then
                        tryProperty "additionalProperties" choice
                    else
                        tryProperty "properties" choice |> Option.bind (tryProperty key))

            if segment.EndsWith "[]" then
                (schema.Resolve found).GetProperty "items"
            else
                found

        if name = "" then
            root
        else
            Array.fold below root (name.Split '.')

    /// The properties of a section with their schemas.
    let properties name = [
        for choice in choices (section name) do
            for properties in Option.toList (tryProperty "properties" choice) do
                for each in properties.EnumerateObject() -> each.Name, each.Value
    ]
