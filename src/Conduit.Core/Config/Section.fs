namespace Conduit

open System.Collections.Generic
open FsToolkit.ErrorHandling

/// A place in a configuration that is being read.
type Place = { Path: string; Node: Node }

/// Reads a scalar: where it stands, and its text.
type ReadText<'a> = string -> string -> Result<'a, Fault>

/// Reading a document: every function gives the value or all that is wrong with it.
[<RequireQualifiedAccess>]
module Place =

    let root node = { Path = ""; Node = node }

    let where place = Node.where place.Node.Origin place.Path

    let fault place what remedy = Fault.create (where place) what remedy

    let private below place key =
        if place.Path = "" then key else $"{place.Path}.{key}"

    let private entries place : Validation<Entry list, Fault> =
        match place.Node.Value with
        | NodeValue.Nothing -> Ok []
        | NodeValue.Mapping entries -> Ok entries
        | NodeValue.Scalar _
        | NodeValue.Sequence _ -> Error [ fault place "is not a section" "write keys and values below it" ]

    /// What stands under a key; nothing when the key is missing or has no value.
    let tryFind key place =
        match place.Node.Value with
        | NodeValue.Mapping entries ->
            match entries |> List.tryFind (fun entry -> entry.Key = key) with
            | Some entry when not entry.Node.Value.IsNothing ->
                Some {
                    Path = below place key
                    Node = entry.Node
                }
            | _ -> None
        | _ -> None

    let private faultAtKey place entry what remedy =
        Fault.create (Node.where entry.KeyOrigin (below place entry.Key)) what remedy

    /// A fault for each key that stands more than once, at its second place.
    let private repeated place (entries: Entry list) =
        let seen = HashSet<string>()

        // Hardly a section repeats a key, and large files have tens of thousands of sections.
        if entries |> List.forall (fun entry -> seen.Add entry.Key) then
            []
        else
            entries
            |> List.groupBy _.Key
            |> List.choose (fun (key, same) ->
                match same with
                | _ :: second :: _ ->
                    let what = $"the key {Fault.quote key} stands {same.Length} times"
                    Some(faultAtKey place second what "keep one of them")
                | _ -> None)

    /// The keys, each once, and what stands under them.
    let children place : Validation<(string * Place) list, Fault> =
        entries place
        |> Result.bind (fun entries ->
            match repeated place entries with
            | [] ->
                entries
                |> List.map (fun entry ->
                    entry.Key,
                    {
                        Path = below place entry.Key
                        Node = entry.Node
                    })
                |> Ok
            | faults -> Error faults)

    /// A fault for each key that is not among those known here, and for each that stands twice.
    let onlyKnown (known: string list) place : Validation<unit, Fault> =
        entries place
        |> Result.bind (fun entries ->
            let unknown =
                entries
                |> List.filter (fun entry -> not (List.contains entry.Key known))
                |> List.map (fun entry ->
                    let keys = String.concat ", " known

                    faultAtKey
                        place
                        entry
                        $"the key {Fault.quote entry.Key} is not known{Names.hint known entry.Key}"
                        $"the keys here are {keys}")

            match unknown @ repeated place entries with
            | [] -> Ok()
            | faults -> Error faults)

    /// The text of a scalar.
    let text place : Result<string, Fault> =
        match place.Node.Value with
        | NodeValue.Scalar text -> Ok text
        | NodeValue.Nothing -> Error(fault place "has no value" "write one, or remove the key")
        | NodeValue.Sequence _
        | NodeValue.Mapping _ -> Error(fault place "is not a single value" "write one value")

    /// The value of a scalar. Where it stands is put into words only when there is a fault to tell: large
    /// files have tens of thousands of values.
    let read (reader: ReadText<'a>) place : Validation<'a, Fault> =
        match text place with
        | Error fault -> Error [ fault ]
        | Ok text ->
            match reader "" text with
            | Ok value -> Ok value
            | Error _ -> reader (where place) text |> Result.mapError List.singleton

    /// The value under a key, read by `reader`; `fallback` when the key is missing.
    let value key reader fallback place =
        match tryFind key place with
        | Some found -> read reader found
        | None -> Ok fallback

    /// The value under a key, if it is there.
    let optional key reader place =
        value key (fun where text -> reader where text |> Result.map Some) None place

    let private isInFile place =
        match place.Node.Origin with
        | Origin.File _ -> true
        | Origin.Given _ -> false

    /// A fault when a file has more than one of several keys that say the same. A flag may say it too:
    /// it goes over the file.
    let onlyOneOf (keys: string list) place : Validation<unit, Fault> =
        match
            keys
            |> List.choose (fun key ->
                tryFind key place
                |> Option.filter isInFile
                |> Option.map (fun found -> key, found))
        with
        | (first, _) :: (_, second) :: _ ->
            Error [ fault second $"says the same as {Fault.quote first}" "keep one of them" ]
        | _ -> Ok()

    /// The value under any of several keys that say the same; a flag's before the file's.
    let either (keys: string list) reader place = validation {
        let! () = onlyOneOf keys place

        and! values =
            keys
            |> List.choose (fun key -> tryFind key place)
            |> List.sortBy isInFile
            |> List.traverseValidationA (read reader)

        return List.tryHead values
    }

    /// The items of a list; none when the key is missing.
    let items key place : Validation<Place list, Fault> =
        match tryFind key place with
        | None -> Ok []
        | Some found ->
            match found.Node.Value with
            | NodeValue.Sequence items ->
                Ok(
                    items
                    |> List.mapi (fun i item -> {
                        Path = $"{found.Path}[{string i}]"
                        Node = item
                    })
                )
            | _ -> Error [ fault found "is not a list" "write one item a line, each after a dash" ]

    /// The single values of a list, each read by `reader`; `fallback` when the key is missing.
    let list key (reader: ReadText<'a>) (fallback: 'a list) place : Validation<'a list, Fault> =
        match tryFind key place with
        | None -> Ok fallback
        | Some _ -> items key place |> Result.bind (List.traverseValidationA (read reader))

    /// The section under a key, read by `reader`; `fallback` when the key is missing.
    let section key (reader: Place -> Validation<'a, Fault>) fallback place =
        match tryFind key place with
        | Some found -> reader found
        | None -> Ok fallback
