namespace Conduit.Server

open System
open System.Text
open Conduit

/// What is wrong with a file's text, whatever it is written in.
[<RequireQualifiedAccess>]
module SourceText =

    /// A fault of the text at a line and column, both from 1.
    let fault file line column what remedy =
        Fault.create (Node.where (Origin.File(file, line, column)) "") what remedy

    /// What the reader of a format says, as a part of a sentence.
    let why (message: string) =
        let text = message.Trim().TrimEnd '.'

        if text = "" then
            "it cannot be read"
        else
            string (Char.ToLowerInvariant text[0]) + text.Substring 1

    /// Where the character at this offset stands.
    let private place (text: string) offset =
        let before = text.Substring(0, offset)
        let line = 1 + (before |> Seq.filter ((=) '\n') |> Seq.length)
        line, offset - before.LastIndexOf '\n'

    let private strict =
        UTF8Encoding(encoderShouldEmitUTF8Identifier = false, throwOnInvalidBytes = true)

    let private decoded (file: string) (bytes: byte[]) : Result<string, Fault list> =
        try
            Ok(strict.GetString(bytes).TrimStart '\uFEFF')
        with :? DecoderFallbackException as error ->
            let before = Encoding.UTF8.GetString(bytes, 0, error.Index)
            let line, column = place before before.Length
            Error [ fault file line column "is not UTF-8" "save the file as UTF-8" ]

    let private isStray (c: char) =
        Char.IsControl c && c <> '\n' && c <> '\r' && c <> '\t' && c <> '\u0085'

    /// The text of a file, without the mark that some editors put before it. What is not UTF-8 and
    /// characters that no text has are refused: some readers take them for the end, or for another.
    let ofBytes (file: string) (bytes: byte[]) : Result<string, Fault list> =
        decoded file bytes
        |> Result.bind (fun text ->
            match Seq.tryFindIndex isStray text with
            | None -> Ok text
            | Some offset ->
                let line, column = place text offset
                let what = $"has the control character U+{int text[offset]:X4}"
                Error [ fault file line column what "remove it" ])

    /// The first line from this one on that a tab indents.
    let private tabbed (text: string) (from: int) =
        text.Split '\n'
        |> Seq.indexed
        |> Seq.tryPick (fun (index, line) ->
            if index + 1 >= from && line.TrimStart(' ').StartsWith '\t' then
                Some(index + 1, 1 + line.IndexOf '\t')
            else
                None)

    /// What a YAML reader finds wrong near a line. It names the place before a tab, not the tab.
    let notYaml file (text: string) line column (message: string) =
        match tabbed text line with
        | Some(line, column) when message.Contains(" tab", StringComparison.Ordinal) ->
            fault file line column "is indented with a tab" "indent with spaces"
        | _ -> fault file line column $"is not YAML: {why message}" "mend it here"
