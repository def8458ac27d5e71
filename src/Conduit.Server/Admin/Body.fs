namespace Conduit.Server

open System
open System.Text.Json
open System.Threading.Tasks
open FsToolkit.ErrorHandling
open Microsoft.AspNetCore.Http
open Conduit

/// What a PATCH of a backend asks for; what is absent stays as it is.
type BackendChange = {
    Weight: Weight option
    Backup: bool option
    State: AdminState option
}

/// Reads the bodies of writes, with every fault in them.
[<RequireQualifiedAccess>]
module Body =

    let private kind (value: JsonElement) =
        value.ValueKind.ToString().ToLowerInvariant()

    let private optional name read (body: JsonElement) : Validation<'a option, Fault> =
        match body.TryGetProperty(name: string) with
        | true, value when value.ValueKind <> JsonValueKind.Null ->
            read name value |> Result.map Some |> Result.mapError List.singleton
        | _ -> Ok None

    let private required name read body : Validation<'a, Fault> =
        optional name read body
        |> Result.bind (fun value ->
            match value with
            | Some value -> Ok value
            | None -> Error [ Fault.create name "is missing" "it is required" ])

    let private text read where (value: JsonElement) =
        match value.ValueKind with
        | JsonValueKind.String -> read where (string (value.GetString()))
        | _ -> Error(Fault.create where $"is a {kind value}" "write a text in quotation marks")

    let private weight where (value: JsonElement) =
        match value.ValueKind, value.TryGetInt32 with
        | JsonValueKind.Number, read ->
            match read () with
            | true, number -> Weight.create where number
            | _ -> Weight.parse where (value.GetRawText())
        | _ -> Error(Fault.create where $"is a {kind value}" "write a whole number from 0 to 256")

    let private flag where (value: JsonElement) =
        match value.ValueKind with
        | JsonValueKind.True -> Ok true
        | JsonValueKind.False -> Ok false
        | _ -> Error(Fault.create where $"is a {kind value}" "write true or false")

    let private state where name =
        match Wire.toState name with
        | Some state -> Ok state
        | None ->
            let known = String.concat ", " Wire.stateNames

            Error(
                Fault.create
                    where
                    $"{Fault.quote name} is not a state{Names.hint Wire.stateNames name}"
                    $"use one of {known}"
            )

    let private unknown known (body: JsonElement) = [
        for property in body.EnumerateObject() do
            if not (List.contains property.Name known) then
                let all = String.concat ", " known

                Fault.create
                    (Fault.quote property.Name)
                    $"is not known{Names.hint known property.Name}"
                    $"the properties are {all}"
    ]

    /// An object that has no other properties than those known.
    let private object known (parts: JsonElement -> Validation<'a, Fault>) (body: JsonElement) =
        if body.ValueKind <> JsonValueKind.Object then
            Error [ Fault.create "body" $"is a {kind body}" "send a JSON object" ]
        else
            match unknown known body, parts body with
            | [], parts -> parts
            | faults, Ok _ -> Error faults
            | faults, Error more -> Error(faults @ more)

    /// What an addition asks for: `url`, and perhaps `weight`, `backup` and `id`.
    let addition: JsonElement -> Validation<BackendSpec, Fault> =
        object [ "url"; "weight"; "backup"; "id" ] (fun body -> validation {
            let! url = required "url" (text BackendUrl.parse) body
            and! weight = optional "weight" weight body
            and! backup = optional "backup" flag body
            and! id = optional "id" (text BackendId.create) body

            return {
                Id = id |> Option.defaultWith (fun () -> BackendId.ofUrl url)
                Url = url
                Weight = weight |> Option.defaultValue Weight.one
                Backup = backup |> Option.defaultValue false
                AllAddresses = false
            }
        })

    /// What a change asks for: one or more of `weight`, `backup` and `state`.
    let change: JsonElement -> Validation<BackendChange, Fault> =
        object [ "weight"; "backup"; "state" ] (fun body -> validation {
            let! weight = optional "weight" weight body
            and! backup = optional "backup" flag body
            and! state = optional "state" (text state) body

            return!
                if weight.IsNone && backup.IsNone && state.IsNone then
                    Error [ Fault.create "body" "asks for nothing" "give weight, backup or state" ]
                else
                    Ok {
                        Weight = weight
                        Backup = backup
                        State = state
                    }
        })

    /// What a dashboard asks for: the URL of a backend, and whether it shall get traffic.
    let toggle: JsonElement -> Validation<BackendUrl * bool, Fault> =
        object [ "url"; "enable" ] (fun body -> validation {
            let! url = required "url" (text BackendUrl.parse) body
            and! enable = required "enable" flag body
            return url, enable
        })

    let private strict =
        JsonDocumentOptions(AllowDuplicateProperties = false, MaxDepth = 16)

    /// Reads the body of a request.
    let read (parse: JsonElement -> Validation<'a, Fault>) (http: HttpContext) : Task<Result<'a, Problem>> =
        task {
            try
                use! document =
                    JsonDocument.ParseAsync(http.Request.Body, strict, http.RequestAborted)

                return parse document.RootElement |> Result.mapError Problem.Invalid
            with
            | :? JsonException as error -> return Error(Problem.NotJson error.Message)
            // A text with half of a surrogate pair.
            | :? InvalidOperationException -> return Error(Problem.NotJson "a text in it is not Unicode")
        }
