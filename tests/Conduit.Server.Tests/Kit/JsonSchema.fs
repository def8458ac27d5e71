namespace Conduit.Server.Tests

open System.Text.Json

/// As much of JSON Schema as the description of the admin API uses.
[<Sealed>]
type JsonSchema(document: JsonElement) =

    let property (name: string) (element: JsonElement) =
        match element.ValueKind with
        | JsonValueKind.Object ->
            match element.TryGetProperty name with
            | true, value -> Some value
            | _ -> None
        | _ -> None

    let strings (element: JsonElement) =
        match element.ValueKind with
        | JsonValueKind.Array -> [ for each in element.EnumerateArray() -> string (each.GetString()) ]
        | _ -> [ string (element.GetString()) ]

    let isOf (value: JsonElement) name =
        match name, value.ValueKind with
        | "object", JsonValueKind.Object
        | "array", JsonValueKind.Array
        | "string", JsonValueKind.String
        | "number", JsonValueKind.Number
        | "null", JsonValueKind.Null
        | "boolean", (JsonValueKind.True | JsonValueKind.False) -> true
        | "integer", JsonValueKind.Number -> value.TryGetInt64() |> fst
        | _ -> false

    /// What a `$ref` leads to, else the element itself.
    member this.Resolve(element: JsonElement) : JsonElement =
        match property "$ref" element with
        | None -> element
        | Some reference ->
            let path = (string (reference.GetString())).TrimStart('#', '/').Split '/'

            (document, path)
            ||> Array.fold (fun at name -> at.GetProperty name)
            |> this.Resolve

    /// Everything in which the value is not as the schema says.
    member this.Errors(schema: JsonElement, value: JsonElement, where: string) : string list =
        let schema = this.Resolve schema
        let properties = property "properties" schema

        [
            match property "type" schema with
            | Some types when not (strings types |> List.exists (isOf value)) ->
                $"{where} is {value.GetRawText()}, not {types.GetRawText()}"
            | _ -> ()
            match property "enum" schema with
            | Some known when
                value.ValueKind = JsonValueKind.String
                && not (strings known |> List.contains (string (value.GetString())))
                ->
                $"{where} is {value.GetRawText()}, not one of {known.GetRawText()}"
            | _ -> ()
            match property "anyOf" schema with
            | Some choices when
                choices.EnumerateArray()
                |> Seq.forall (fun choice -> not (this.Errors(choice, value, where)).IsEmpty)
                ->
                $"{where} is none of what it may be"
            | _ -> ()
            match property "items" schema with
            | Some items when value.ValueKind = JsonValueKind.Array ->
                for index, item in Seq.indexed (value.EnumerateArray()) do
                    yield! this.Errors(items, item, $"{where}[{index}]")
            | _ -> ()
            if value.ValueKind = JsonValueKind.Object then
                match property "required" schema with
                | Some required ->
                    for name in strings required do
                        if (property name value).IsNone then
                            $"{where}.{name} is missing"
                | None -> ()

                for each in value.EnumerateObject() do
                    match properties |> Option.bind (property each.Name) with
                    | Some known -> yield! this.Errors(known, each.Value, $"{where}.{each.Name}")
                    | None when (property "additionalProperties" schema).IsSome ->
                        $"{where}.{each.Name} is not known"
                    | None -> ()
        ]
