namespace Conduit

open System
open System.Collections.Generic
open System.Net
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

    /// The name of a backend that is one of the addresses of another: `app:8080@10.0.0.5`.
    let at (address: IPAddress) (BackendId id) = BackendId $"{id}@{address}"

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
    /// Whether each address that the URL's name has is a backend of its own.
    AllAddresses: bool
}

[<RequireQualifiedAccess>]
module BackendSpec =

    /// A backend of which nothing but the URL is said.
    let ofUrl (url: BackendUrl) : BackendSpec = {
        Id = BackendId.ofUrl url
        Url = url
        Weight = Weight.one
        Backup = false
        AllAddresses = false
    }

    let private options = [ "id"; "weight"; "backup"; "resolve" ]

    let private remedy =
        "options are ;id=NAME, ;weight=N, ;backup=true and ;resolve=all"

    /// Reads what becomes of the name in a URL: `all` makes a backend of each of its addresses, `connect`
    /// leaves it to each connection.
    let resolve where (text: string) : Result<bool, Fault> =
        match text with
        | "connect" -> Ok false
        | "all" -> Ok true
        | _ -> Error(Fault.create where $"{Fault.quote text} is no way to resolve" "use connect or all")

    /// Whether the addresses of a URL's name become backends where that is wanted: an address, like
    /// `localhost`, is itself and no more, and https has to keep its name.
    let resolved where (url: BackendUrl) wanted : Result<bool, Fault> =
        if wanted && url.Scheme = Scheme.Https then
            Error(
                Fault.create
                    where
                    "certificates are checked against names, and here backends are called by address"
                    "use http, or leave resolve out"
            )
        else
            Ok(wanted && BackendUrl.isNamed url)

    /// The backend that one address of another is.
    let at (address: IPAddress) (spec: BackendSpec) = {
        spec with
            Id = BackendId.at address spec.Id
            Url = BackendUrl.withAddress address spec.Url
            AllAddresses = false
    }

    /// What an option changes in a specification.
    let private option where (text: string) : Result<BackendSpec -> BackendSpec, Fault> =
        match text.Split('=', 2) with
        | [| "id"; value |] ->
            BackendId.create where value
            |> Result.map (fun id spec -> { spec with Id = id })
        | [| "weight"; value |] ->
            Weight.parse where value
            |> Result.map (fun weight spec -> { spec with Weight = weight })
        | [| "resolve"; value |] ->
            resolve where value
            |> Result.map (fun all spec -> { spec with AllAddresses = all })
        | [| "backup"; "true" |] -> Ok(fun spec -> { spec with Backup = true })
        | [| "backup"; "false" |] -> Ok(fun spec -> { spec with Backup = false })
        | [| "backup"; value |] ->
            Error(Fault.create where $"{Fault.quote value} is neither true nor false" remedy)
        | [| name |] when List.contains name options ->
            Error(Fault.create where $"the option {Fault.quote name} has no value" remedy)
        | parts ->
            let name = parts[0]

            let what =
                $"{Fault.quote name} is not an option of a backend{Names.hint options name}"

            Error(Fault.create where what remedy)

    /// Reads the short form `URL[;weight=N][;id=NAME][;backup=true][;resolve=all]`, with every fault in it.
    let parse where (text: string) : Validation<BackendSpec, Fault> =
        let parts = text.Split ';' |> Array.map _.Trim() |> Array.toList
        let options = parts.Tail |> List.filter ((<>) "") |> List.map (option where)

        let faults =
            options
            |> List.choose (function
                | Error fault -> Some fault
                | Ok _ -> None)

        match BackendUrl.parse where parts.Head, faults with
        | Error fault, faults -> Error(fault :: faults)
        | Ok url, [] ->
            let spec =
                (ofUrl url, options)
                ||> List.fold (fun spec change ->
                    match change with
                    | Ok change -> change spec
                    | Error _ -> spec)

            resolved where url spec.AllAddresses
            |> Result.map (fun all -> { spec with AllAddresses = all })
            |> Result.mapError List.singleton
        | Ok _, faults -> Error faults

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
