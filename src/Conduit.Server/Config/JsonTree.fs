namespace Conduit.Server

open System
open System.Collections.Generic
open System.Text
open System.Text.Json
open Conduit

/// Reads JSON into a document that knows where everything stands. Comments and trailing commas are
/// allowed.
[<RequireQualifiedAccess>]
module JsonTree =

    /// Where each line begins, in bytes.
    let private lineStarts (bytes: byte[]) = [|
        0
        for i in 0 .. bytes.Length - 1 do
            if bytes[i] = 10uy then
                i + 1
    |]

    let private at file (starts: int[]) offset =
        let found = Array.BinarySearch(starts, offset)
        let line = if found >= 0 then found else ~~~found - 1
        Origin.File(file, line + 1, offset - starts[line] + 1)

    /// What has begun and not ended: the entries or items so far, the last first.
    [<RequireQualifiedAccess>]
    type private Open =
        | Section of Origin * Entry list * pending: (string * Origin) option
        | Items of Origin * Node list

    let private add (node: Node) (stack: Stack<Open>) =
        match stack.Pop() with
        | Open.Section(origin, entries, Some(key, keyOrigin)) ->
            let entry = {
                Key = key
                KeyOrigin = keyOrigin
                Node = node
            }

            stack.Push(Open.Section(origin, entry :: entries, None))
        | Open.Section(origin, entries, None) -> stack.Push(Open.Section(origin, entries, None))
        | Open.Items(origin, items) -> stack.Push(Open.Items(origin, node :: items))

    let private closed opened =
        match opened with
        | Open.Section(origin, entries, _) -> Node.mapping origin (List.rev entries)
        | Open.Items(origin, items) -> {
            Origin = origin
            Value = NodeValue.Sequence(List.rev items)
          }

    let private read file (bytes: byte[]) : Node =
        let starts = lineStarts bytes

        let options =
            JsonReaderOptions(CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true)

        let mutable reader = Utf8JsonReader(ReadOnlySpan bytes, options)
        let stack = Stack<Open>()
        // The root is the one item of a list that is never closed.
        stack.Push(Open.Items(Origin.File(file, 1, 1), []))

        while reader.Read() do
            let origin = at file starts (int reader.TokenStartIndex)

            match reader.TokenType with
            | JsonTokenType.StartObject -> stack.Push(Open.Section(origin, [], None))
            | JsonTokenType.StartArray -> stack.Push(Open.Items(origin, []))
            | JsonTokenType.EndObject
            | JsonTokenType.EndArray -> add (closed (stack.Pop())) stack
            | JsonTokenType.PropertyName ->
                match stack.Pop() with
                | Open.Section(start, entries, _) ->
                    stack.Push(Open.Section(start, entries, Some(string (reader.GetString()), origin)))
                | other -> stack.Push other
            | JsonTokenType.Null ->
                add
                    {
                        Origin = origin
                        Value = NodeValue.Nothing
                    }
                    stack
            | JsonTokenType.String -> add (Node.scalar origin (string (reader.GetString()))) stack
            | _ -> add (Node.scalar origin (Encoding.UTF8.GetString reader.ValueSpan)) stack

        match stack.Pop() with
        | Open.Items(_, root :: _) -> root
        | _ -> Node.mapping (Origin.File(file, 1, 1)) []

    /// The document in `text`.
    let parse file (text: string) : Result<Node, Fault list> =
        try
            Ok(read file (Encoding.UTF8.GetBytes text))
        with :? JsonException as error ->
            let line = error.LineNumber.GetValueOrDefault() + 1L
            let column = error.BytePositionInLine.GetValueOrDefault() + 1L
            let where = Node.where (Origin.File(file, int line, int column)) ""
            Error [ Fault.create where "is not JSON" "mend it here" ]
