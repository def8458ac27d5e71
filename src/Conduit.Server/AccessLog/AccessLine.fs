namespace Conduit.Server

open System
open System.Buffers
open Conduit

/// The lines of the access log.
[<RequireQualifiedAccess>]
module AccessLine =

    /// What a field says of an entry.
    [<RequireQualifiedAccess; Struct; NoEquality; NoComparison>]
    type private Value =
        | Nothing
        | Text of text: string
        | Number of number: int64
        | Milliseconds of milliseconds: TimeSpan
        | Time of time: DateTime

    let private text (text: string | null) =
        match text with
        | null -> Value.Nothing
        | text -> Value.Text text

    let private ofBackend (entry: inref<AccessEntry>) (read: Target -> string) =
        match entry.Backend with
        | ValueSome target -> Value.Text(read target)
        | ValueNone -> Value.Nothing

    let private value field (entry: inref<AccessEntry>) =
        match field with
        | AccessField.Time -> Value.Time entry.At
        | AccessField.RequestId -> text entry.RequestId
        | AccessField.Client -> text entry.Client
        | AccessField.Scheme -> text entry.Scheme
        | AccessField.Protocol -> text entry.Protocol
        | AccessField.Method -> text entry.Method
        | AccessField.Host -> text entry.Host
        | AccessField.Target -> text entry.Target
        | AccessField.UserAgent -> text entry.UserAgent
        | AccessField.Referer -> text entry.Referer
        | AccessField.Status -> Value.Number(int64 entry.Status)
        | AccessField.ReceivedBytes -> Value.Number entry.Received
        | AccessField.SentBytes -> Value.Number entry.Sent
        | AccessField.Duration -> Value.Milliseconds entry.Duration
        | AccessField.FirstByte ->
            match entry.FirstByte with
            | ValueSome time -> Value.Milliseconds time
            | ValueNone -> Value.Nothing
        | AccessField.Tries -> Value.Number(int64 entry.Tries)
        | AccessField.Pool -> ofBackend &entry (fun target -> PoolName.value target.Pool)
        | AccessField.Backend -> ofBackend &entry (fun target -> string target.Backend.Spec.Url)
        | AccessField.Cause -> text entry.Cause

    /// A line may have it without quotes, and it cannot be taken for what stands for nothing.
    let private bare =
        SearchValues.Create(
            String(
                [| for c in 0x21..0x7e -> char c |]
                |> Array.filter (fun c -> not (Seq.contains c "\"\\="))
            )
        )

    let private isBare (text: string) =
        text <> "" && text <> "-" && not (text.AsSpan().ContainsAnyExcept bare)

    let private writeText (line: LineWriter) value =
        match value with
        | Value.Nothing -> line.Raw "-"
        | Value.Text text when isBare text -> line.Raw text
        | Value.Text text -> line.Quoted text
        | Value.Number number -> line.Number number
        | Value.Milliseconds time -> line.Milliseconds time
        | Value.Time time -> line.Time time

    let private writeJson (line: LineWriter) value =
        match value with
        | Value.Nothing -> line.Raw "null"
        | Value.Text text -> line.Quoted text
        | Value.Number number -> line.Number number
        | Value.Milliseconds time -> line.Milliseconds time
        | Value.Time time ->
            line.Raw "\""
            line.Time time
            line.Raw "\""

    /// Writes the line of an entry, with its end.
    let write format (fields: AccessField list) (entry: inref<AccessEntry>) (line: LineWriter) =
        let mutable isFirst = true

        match format with
        | LogFormat.Text ->
            for field in fields do
                line.Raw(if isFirst then "" else " ")
                line.Raw(AccessField.name field)
                line.Raw "="
                writeText line (value field &entry)
                isFirst <- false
        | LogFormat.Json ->
            for field in fields do
                line.Raw(if isFirst then "{\"" else ",\"")
                line.Raw(AccessField.name field)
                line.Raw "\":"
                writeJson line (value field &entry)
                isFirst <- false

            line.Raw "}"

        line.Raw "\n"
