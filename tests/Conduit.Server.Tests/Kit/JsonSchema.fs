namespace Conduit.Server.Tests

open System
open System.Text.Json
open System.Text.RegularExpressions

/// As much of JSON Schema as the description of the admin API and the schema of the configuration use.
[<Sealed>]
type JsonSchema(document: JsonElement) =

    let property (name: string) (element: JsonElement) =
        match element.ValueKind with
        | JsonValueKind.Object ->
            match element.TryGetProperty name with
            | true, value -> Some value
            | _ -> None
        | _ -> None

    let items (element: JsonElement) = [
        if element.ValueKind = JsonValueKind.Array then
            yield! element.EnumerateArray()
        else
            element
    ]

    let strings (element: JsonElement) =
        items element |> List.map (fun each -> string (each.GetString()))

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

    /// What a value of one kind is measured by, and by which keywords.
    let bounds (value: JsonElement) : (string * string * float) list =
        match value.ValueKind with
        | JsonValueKind.Number -> [ "minimum", "maximum", value.GetDouble() ]
        | JsonValueKind.String -> [ "minLength", "maxLength", float (string (value.GetString())).Length ]
        | JsonValueKind.Array -> [ "minItems", "maxItems", float (value.GetArrayLength()) ]
        | JsonValueKind.Object -> [ "minProperties", "maxProperties", float (value.GetPropertyCount()) ]
        | _ -> []

    /// The keywords that are heeded, and those that say nothing of a value.
    static member Keywords = [
        "$ref"
        "type"
        "enum"
        "pattern"
        "minimum"
        "maximum"
        "minLength"
        "maxLength"
        "minItems"
        "maxItems"
        "minProperties"
        "maxProperties"
        "anyOf"
        "allOf"
        "not"
        "items"
        "required"
        "properties"
        "propertyNames"
        "additionalProperties"
        "$schema"
        "$defs"
        "title"
        "description"
        "default"
    ]

    /// What a reference leads to; any other element itself.
    member this.Resolve(element: JsonElement) : JsonElement =
        match property "$ref" element with
        | None -> element
        | Some reference ->
            let path = (string (reference.GetString())).TrimStart('#', '/').Split '/'

            (document, path)
            ||> Array.fold (fun at name -> at.GetProperty name)
            |> this.Resolve

    /// The schemas below a value's own: of its items, its properties and their names.
    member private this.Below(schema: JsonElement, value: JsonElement, where: string) : string list = [
        match property "items" schema, value.ValueKind with
        | Some items, JsonValueKind.Array ->
            for index, item in Seq.indexed (value.EnumerateArray()) do
                yield! this.Errors(items, item, $"{where}[{index}]")
        | _ -> ()
        if value.ValueKind = JsonValueKind.Object then
            for name in property "required" schema |> Option.map strings |> Option.defaultValue [] do
                if (property name value).IsNone then
                    $"{where}.{name} is missing"

            for each in value.EnumerateObject() do
                match property "propertyNames" schema with
                | Some names ->
                    yield!
                        this.Errors(
                            names,
                            JsonSerializer.SerializeToElement each.Name,
                            $"{where}.{each.Name}"
                        )
                | None -> ()

                match
                    property "properties" schema |> Option.bind (property each.Name),
                    property "additionalProperties" schema
                with
                | Some known, _ -> yield! this.Errors(known, each.Value, $"{where}.{each.Name}")
                | None, Some others when others.ValueKind = JsonValueKind.Object ->
                    yield! this.Errors(others, each.Value, $"{where}.{each.Name}")
                | None, Some others when others.ValueKind = JsonValueKind.False ->
                    $"{where}.{each.Name} is not known"
                | None, _ -> ()
    ]

    /// The schemas that this one is put together from.
    member private this.Parts(schema: JsonElement, value: JsonElement, where: string) : string list =
        let holds part =
            (this.Errors(part, value, where)).IsEmpty

        [
            if (property "$ref" schema).IsSome then
                yield! this.Errors(this.Resolve schema, value, where)
            for part in property "allOf" schema |> Option.map items |> Option.defaultValue [] do
                yield! this.Errors(part, value, where)
            match property "anyOf" schema with
            | Some choices when not (items choices |> List.exists holds) ->
                $"{where} is none of what it may be"
            | _ -> ()
            match property "not" schema with
            | Some part when holds part -> $"{where} is what it must not be: {part.GetRawText()}"
            | _ -> ()
        ]

    /// Everything in which the value is not as the schema says.
    member this.Errors(schema: JsonElement, value: JsonElement, where: string) : string list = [
        match property "type" schema with
        | Some types when not (strings types |> List.exists (isOf value)) ->
            $"{where} is {value.GetRawText()}, not {types.GetRawText()}"
        | _ -> ()
        match property "enum" schema with
        | Some known when not (items known |> List.exists (fun each -> JsonElement.DeepEquals(each, value))) ->
            $"{where} is {value.GetRawText()}, not one of {known.GetRawText()}"
        | _ -> ()
        match property "pattern" schema with
        | Some pattern when
            value.ValueKind = JsonValueKind.String
            && not (
                Regex.IsMatch(
                    string (value.GetString()),
                    string (pattern.GetString()),
                    RegexOptions.ECMAScript
                )
            )
            ->
            $"{where} is {value.GetRawText()}, which does not match {pattern.GetRawText()}"
        | _ -> ()
        for least, most, measure in bounds value do
            for keyword, isWrong in
                [ least, (fun limit -> measure < limit); most, (fun limit -> measure > limit) ] do
                match property keyword schema with
                | Some limit when isWrong (limit.GetDouble()) ->
                    $"{where} is {value.GetRawText()}, against {keyword} {limit.GetRawText()}"
                | _ -> ()
        yield! this.Parts(schema, value, where)
        yield! this.Below(schema, value, where)
    ]
