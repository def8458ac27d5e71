namespace Conduit

open System

/// A set of response statuses, as ranges in order that neither touch nor overlap.
type StatusSet = private StatusSet of (int * int) list

[<RequireQualifiedAccess>]
module StatusSet =

    let empty = StatusSet []

    let private merge (ranges: (int * int) list) =
        ([], List.sort ranges)
        ||> List.fold (fun merged (first, last) ->
            match merged with
            | (before, until) :: rest when first <= until + 1 -> (before, max until last) :: rest
            | _ -> (first, last) :: merged)
        |> List.rev
        |> StatusSet

    /// All statuses from `first` to `last`.
    let range first last = merge [ first, last ]

    let union (sets: StatusSet list) =
        sets |> List.collect (fun (StatusSet ranges) -> ranges) |> merge

    let isEmpty (StatusSet ranges) = ranges.IsEmpty

    let rec private isIn (ranges: (int * int) list) status =
        match ranges with
        | [] -> false
        | (first, last) :: rest -> (status >= first && status <= last) || isIn rest status

    let contains (status: int) (StatusSet ranges) = isIn ranges status

    /// Reads `503`, `500-599` or `5xx`.
    let parse where (text: string) : Result<StatusSet, Fault> =
        let isStatus status = status >= 100 && status <= 599

        let number (text: string) =
            match Int32.TryParse text with
            | true, status when isStatus status -> Some status
            | _ -> None

        let trimmed = text.Trim().ToLowerInvariant()

        let bounds =
            if trimmed.Length = 3 && trimmed.EndsWith "xx" && Char.IsAsciiDigit trimmed[0] then
                let first = 100 * int (string trimmed[0])
                Some first, Some(first + 99)
            else
                match trimmed.Split '-' with
                | [| one |] -> number one, number one
                | [| first; last |] -> number first, number last
                | _ -> None, None

        match bounds with
        | Some first, Some last when isStatus first && isStatus last && first <= last -> Ok(range first last)
        | _ ->
            Error(
                Fault.create
                    where
                    $"{Fault.quote text} is not a status"
                    "write statuses from 100 to 599: 503, 500-599 or 5xx"
            )

    /// The ranges as `parse` reads them.
    let format (StatusSet ranges) =
        ranges
        |> List.map (fun (first, last) -> if first = last then string first else $"{first}-{last}")
