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

    /// Lines and columns of places, which are asked for from the first to the last.
    [<Sealed>]
    type private Places(file: string, bytes: byte[]) =
        let mutable reached = 0
        let mutable line = 1
        let mutable column = 1

        /// Where the character at this offset stands. A character of several bytes is one column.
        member _.At(offset: int) =
            while reached < min offset bytes.Length do
                if bytes[reached] = 10uy then
                    line <- line + 1
                    column <- 1
                elif bytes[reached] &&& 0xC0uy <> 0x80uy then
                    column <- column + 1

                reached <- reached + 1

            Origin.File(file, line, column)

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

    /// `reached` is the offset of the token that is being read.
    let private read file (bytes: byte[]) (reached: byref<int>) : Node =
        let places = Places(file, bytes)

        let options =
            JsonReaderOptions(CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true)

        let mutable reader = Utf8JsonReader(ReadOnlySpan bytes, options)
        let stack = Stack<Open>()
        // The root is the one item of a list that is never closed.
        stack.Push(Open.Items(Origin.File(file, 1, 1), []))

        while reader.Read() do
            reached <- int reader.TokenStartIndex
            let origin = places.At reached

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

    /// The offset of a place that the reader names by line and bytes, both from 0.
    let private offsetOf (bytes: byte[]) (error: JsonException) =
        let mutable offset = 0

        for _ in 1L .. error.LineNumber.GetValueOrDefault() do
            offset <- Array.IndexOf(bytes, 10uy, offset) + 1

        offset + int (error.BytePositionInLine.GetValueOrDefault())

    /// What the reader says, without the place, which it counts from 0.
    let private why (error: JsonException) =
        match error.Message.IndexOf " LineNumber:" with
        | -1 -> error.Message
        | at -> error.Message.Substring(0, at)

    /// The document in `text`.
    let parse file (text: string) : Result<Node, Fault list> =
        let bytes = Encoding.UTF8.GetBytes text
        let mutable reached = 0

        let refuse offset why =
            let where = Node.where (Places(file, bytes).At offset) ""
            Error [ Fault.create where $"is not JSON: {SourceText.why why}" "mend it here" ]

        try
            Ok(read file bytes &reached)
        with
        | :? JsonException as error -> refuse (offsetOf bytes error) (why error)
        // Half of a surrogate pair, which only shows when the text is taken out.
        | :? InvalidOperationException ->
            refuse reached "This text has an escape that stands for no character."
