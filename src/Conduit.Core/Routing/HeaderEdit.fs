namespace Conduit

open System
open FsToolkit.ErrorHandling

/// A change that a route makes to the headers of a request or a response.
[<RequireQualifiedAccess>]
type HeaderEdit =
    /// One line with this value instead of all there were.
    | Set of HeaderName * HeaderValue
    /// All lines of the name.
    | Remove of HeaderName

/// The changes of one route to one message, each to a header of its own; so their order means nothing.
type HeaderEdits = private HeaderEdits of HeaderEdit list

[<RequireQualifiedAccess>]
module HeaderEdit =

    let name edit =
        match edit with
        | HeaderEdit.Set(name, _)
        | HeaderEdit.Remove name -> name

    /// Headers that say how a message is framed and how its connection goes on (RFC 9110 section 7.6.1).
    /// Conduit writes them itself, and an edit could make one request look like two.
    let private ofTheConnection =
        set [
            "connection"
            "content-length"
            "keep-alive"
            "proxy-authenticate"
            "proxy-authorization"
            "proxy-connection"
            "te"
            "trailer"
            "transfer-encoding"
            "upgrade"
        ]

    let private check where (name: HeaderName) =
        let fault what remedy =
            Error(Fault.create where $"{Fault.quote (HeaderName.value name)} {what}" remedy)

        match HeaderName.value (HeaderName.toLower name) with
        | "host" -> fault "cannot be edited: it says which host is asked" "leave it out"
        | lower when ofTheConnection.Contains lower ->
            fault "cannot be edited: it belongs to the connection" "leave it out"
        | _ -> Ok name

    let set where name value =
        check where name |> Result.map (fun name -> HeaderEdit.Set(name, value))

    let remove where name =
        check where name |> Result.map HeaderEdit.Remove

[<RequireQualifiedAccess>]
module HeaderEdits =

    let none = HeaderEdits []

    let toList (HeaderEdits edits) = edits

    /// No header may stand twice, in whatever case.
    let create where (edits: HeaderEdit list) : Validation<HeaderEdits, Fault> =
        let repeated =
            edits
            |> List.countBy (HeaderEdit.name >> HeaderName.toLower >> HeaderName.value)
            |> List.filter (fun (_, count) -> count > 1)

        match repeated with
        | [] -> Ok(HeaderEdits edits)
        | _ ->
            Error [
                for name, count in repeated do
                    Fault.create where $"the header {Fault.quote name} is edited {count} times" "edit it once"
            ]
