namespace Conduit

open System
open System.Collections.Generic
open FsToolkit.ErrorHandling

/// Names a backend within its pool, for as long as it is configured. Gauges, health and latency
/// averages are kept by it.
[<Struct>]
type BackendId = private BackendId of string

[<RequireQualifiedAccess>]
module BackendId =

    let value (BackendId id) = id

    /// 1 to 128 characters, none of them a control character.
    let create where (text: string) : Result<BackendId, Fault> =
        if text.Length >= 1 && text.Length <= 128 && not (Seq.exists Char.IsControl text) then
            Ok(BackendId text)
        else
            Error(
                Fault.create
                    where
                    $"{Fault.quote text} cannot name a backend"
                    "use 1 to 128 characters, without line breaks or other control characters"
            )

    /// The name of a backend to which nobody gave one: `host:port`, and the base path if it has one.
    let ofUrl (url: BackendUrl) = BackendId(url.Authority + url.BasePath)

/// A backend's share of the traffic relative to the others of its pool: 0 to 256. With 0 it gets no new
/// traffic.
[<Struct>]
type Weight = private Weight of int

[<RequireQualifiedAccess>]
module Weight =

    let one = Weight 1

    let value (Weight weight) = weight

    let create where (weight: int) : Result<Weight, Fault> =
        if weight >= 0 && weight <= 256 then
            Ok(Weight weight)
        else
            Error(Fault.create where $"the weight {weight} is out of range" "use 0 to 256")

    let parse where (text: string) : Result<Weight, Fault> =
        match Int32.TryParse text with
        | true, weight -> create where weight
        | _ ->
            Error(Fault.create where $"{Fault.quote text} is not a weight" "use a whole number from 0 to 256")

/// A backend as configured.
type BackendSpec = {
    Id: BackendId
    Url: BackendUrl
    Weight: Weight
    /// Whether it gets traffic only while none of the others is available.
    Backup: bool
}

[<RequireQualifiedAccess>]
module BackendSpec =

    let private options = [ "id"; "weight"; "backup" ]

    let private remedy = "options are ;id=NAME, ;weight=N and ;backup=true"

    let private option where (id, weight, backup) (text: string) =
        match text.Split('=', 2) with
        | [| "id"; value |] ->
            BackendId.create where value
            |> Result.map (fun given -> Some given, weight, backup)
        | [| "weight"; value |] -> Weight.parse where value |> Result.map (fun given -> id, given, backup)
        | [| "backup"; "true" |] -> Ok(id, weight, true)
        | [| "backup"; "false" |] -> Ok(id, weight, false)
        | [| "backup"; value |] ->
            Error(Fault.create where $"{Fault.quote value} is neither true nor false" remedy)
        | [| name |] when List.contains name options ->
            Error(Fault.create where $"the option {Fault.quote name} has no value" remedy)
        | parts ->
            let name = parts[0]

            let what =
                $"{Fault.quote name} is not an option of a backend{Names.hint options name}"

            Error(Fault.create where what remedy)

    /// Reads the short form `URL[;weight=N][;id=NAME][;backup=true]`, with every fault in it.
    let parse where (text: string) : Validation<BackendSpec, Fault> =
        let parts = text.Split ';' |> Array.map _.Trim() |> Array.toList

        let fold (known, faults) part =
            match option where known part with
            | Ok known -> known, faults
            | Error fault -> known, fault :: faults

        let (id, weight, backup), faults =
            parts.Tail
            |> List.filter ((<>) "")
            |> List.fold fold ((None, Weight.one, false), [])

        match BackendUrl.parse where parts.Head, List.rev faults with
        | Ok url, [] ->
            Ok {
                Id = id |> Option.defaultWith (fun () -> BackendId.ofUrl url)
                Url = url
                Weight = weight
                Backup = backup
            }
        | Ok _, faults -> Error faults
        | Error fault, faults -> Error(fault :: faults)

    /// Faults for ids and URLs that stand more than once in a pool.
    let duplicates where (specs: BackendSpec list) : Fault list =
        let repeated kind remedy (key: BackendSpec -> string) specs =
            let seen = HashSet<string>()

            // Most pools repeat nothing, and large ones are read again with each reload.
            (if specs |> List.forall (key >> seen.Add) then
                 []
             else
                 List.countBy key specs)
            |> List.filter (fun (_, count) -> count > 1)
            |> List.map (fun (value, count) ->
                Fault.create where $"the {kind} {Fault.quote value} stands {count} times" remedy)

        let sameUrl =
            specs
            |> repeated
                "URL"
                "name each backend once, and give it a weight for a larger share"
                (_.Url >> string)

        // A repeated URL repeats its default id too; saying it once is enough.
        let sameId =
            specs
            |> (if sameUrl.IsEmpty then
                    id
                else
                    List.distinctBy (fun spec -> spec.Id, spec.Url))
            |> repeated "id" "give each backend an id of its own" (_.Id >> BackendId.value)

        sameUrl @ sameId
