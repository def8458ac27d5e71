namespace Conduit

open FsToolkit.ErrorHandling

/// Reads what an operator wants to know of each request.
[<RequireQualifiedAccess>]
module ReadAccessLog =

    let private remedy = $"name a file, or write {AccessLogConfig.standardOutput}"

    let private file: ReadText<string option> =
        fun where text ->
            match text.Trim() with
            | "" -> Error(Fault.create where "is empty" remedy)
            | path when path = AccessLogConfig.standardOutput -> Ok None
            | path when path.Contains '\000' ->
                Error(Fault.create where $"{Fault.quote path} is not the path of a file" remedy)
            | path -> Ok(Some path)

    let private fields place : Validation<AccessField list, Fault> =
        place
        |> Place.list "fields" (Scalars.oneOf AccessField.names) AccessLogConfig.defaults.Fields
        |> Result.bind (fun fields ->
            let fault what =
                Error [
                    Place.fault
                        (Place.tryFind "fields" place |> Option.defaultValue place)
                        what
                        "name each field once"
                ]

            match fields |> List.countBy id |> List.tryFind (fun (_, count) -> count > 1) with
            | _ when fields.IsEmpty -> fault "names no field"
            | Some(field, count) -> fault $"names {AccessField.name field} {count} times"
            | None -> Ok fields)

    /// The section `access_log`; nothing unless it is there and on.
    let read (root: Place) : Validation<AccessLogConfig option, Fault> =
        let defaults = AccessLogConfig.defaults

        root
        |> Place.section
            "access_log"
            (fun section -> validation {
                let! () = Place.onlyKnown Keys.accessLog section
                and! on = section |> Place.value "enabled" Scalars.boolean true
                and! file = section |> Place.value "file" file defaults.LogFile

                and! format =
                    section |> Place.value "format" (Scalars.oneOf LogFormat.names) defaults.Format

                and! fields = fields section

                and! sample =
                    section |> Place.value "sample" (Scalars.number 0.0 1.0) defaults.Sample

                and! queue =
                    section |> Place.value "queue" (Scalars.whole 16 1_000_000) defaults.Queue

                return
                    if on then
                        Some {
                            LogFile = file
                            Format = format
                            Fields = fields
                            Sample = sample
                            Queue = queue
                        }
                    else
                        None
            })
            None

    /// The key `request_id_header`: a header that can be set without changing what the message means.
    let requestId (root: Place) : Validation<HeaderName option, Fault> =
        root
        |> Place.optional "request_id_header" (fun where text ->
            HeaderName.create where text
            |> Result.bind (HeaderEdit.remove where)
            |> Result.map HeaderEdit.name)
