namespace Conduit.Server

open System.Collections.Generic
open System.IO
open YamlDotNet.Core
open YamlDotNet.Core.Events
open Conduit

/// Reads YAML into a document that knows where everything stands.
[<RequireQualifiedAccess>]
module YamlTree =

    /// Aliases can make a small file unfold into an endless one; past so many nodes it is refused.
    let private mostNodes = 1_000_000

    /// Deeper documents are no configurations, and reading one would use up the stack.
    let private deepest = 64

    exception private Refused of Mark * what: string * remedy: string

    /// A node, and how large it is with every alias in it unfolded.
    [<Struct; NoEquality; NoComparison>]
    type private Unfolded = { Node: Node; Count: int; Height: int }

    let private at file (mark: Mark) =
        Origin.File(file, int mark.Line, int mark.Column)

    /// YAML 1.2's null, when it is not quoted.
    let private isNull (scalar: Scalar) =
        scalar.Style = ScalarStyle.Plain
        && (match scalar.Value with
            | ""
            | "~"
            | "null" -> true
            | _ -> false)

    /// Goes through the events of one file, each once. Nothing that an alias stands for is copied or
    /// walked through, so that a file costs no more than its length.
    [<Sealed>]
    type private Reader(file: string, text: string) =
        let parser = Parser(new StringReader(text))
        let anchors = Dictionary<string, Unfolded>()

        let next () : ParsingEvent =
            match parser.MoveNext(), parser.Current with
            | true, NonNull event -> event
            | _ -> StreamEnd()

        let keep (event: NodeEvent) unfolded =
            if not event.Anchor.IsEmpty then
                anchors[event.Anchor.Value] <- unfolded

            unfolded

        let aliased (alias: AnchorAlias) =
            match anchors.TryGetValue alias.Value.Value with
            | true, unfolded -> unfolded
            | _ ->
                let what =
                    $"the alias {Fault.quote alias.Value.Value} names nothing that ends before it"

                raise (Refused(alias.Start, what, "name an anchor above, or write the value itself"))

        let scalar (event: Scalar) =
            keep event {
                Node = {
                    Origin = at file event.Start
                    Value =
                        if isNull event then
                            NodeValue.Nothing
                        else
                            NodeValue.Scalar event.Value
                }
                Count = 1
                Height = 0
            }

        /// `count` and `height` are those of its parts together.
        let collection (start: NodeEvent) value (count: int64) height =
            if count >= int64 mostNodes then
                raise (Refused(start.Start, "unfolds into more than a million values", "use fewer aliases"))

            keep start {
                Node = {
                    Origin = at file start.Start
                    Value = value
                }
                Count = 1 + int count
                Height = 1 + height
            }

        let checkDepth (event: ParsingEvent) depth =
            if depth > deepest then
                raise (Refused(event.Start, "is nested too deeply", $"{deepest} levels are the most"))

        let key (event: ParsingEvent) : string =
            let refuse () =
                raise (Refused(event.Start, "a key is not a single value", "write it as key: value"))

            match event with
            | :? Scalar as event ->
                if not event.Anchor.IsEmpty then
                    scalar event |> ignore

                event.Value
            | :? AnchorAlias as alias ->
                match (aliased alias).Node.Value with
                | NodeValue.Scalar text -> text
                | _ -> refuse ()
            | _ -> refuse ()

        let rec node depth (event: ParsingEvent) : Unfolded =
            match event with
            | :? Scalar as event -> scalar event
            | :? AnchorAlias as alias ->
                let unfolded = aliased alias
                checkDepth event (depth + unfolded.Height)
                unfolded
            | :? SequenceStart as start ->
                checkDepth event (depth + 1)
                sequence (depth + 1) start
            | :? MappingStart as start ->
                checkDepth event (depth + 1)
                mapping (depth + 1) start
            | other -> raise (Refused(other.Start, "is not a value", "mend it here"))

        and sequence depth start =
            let items = ResizeArray<Node>()
            let mutable count = 0L
            let mutable height = 0
            let mutable event = next ()

            while not (event :? SequenceEnd) do
                let item = node depth event
                items.Add item.Node
                count <- count + int64 item.Count
                height <- max height item.Height
                event <- next ()

            collection start (NodeValue.Sequence(List.ofSeq items)) count height

        and mapping depth start =
            let entries = ResizeArray<Entry>()
            let mutable count = 0L
            let mutable height = 0
            let mutable event = next ()

            while not (event :? MappingEnd) do
                let key, origin = key event, at file event.Start
                let value = next () |> node depth
                count <- count + int64 value.Count
                height <- max height value.Height

                entries.Add {
                    Key = key
                    KeyOrigin = origin
                    Node = value.Node
                }

                event <- next ()

            collection start (NodeValue.Mapping(List.ofSeq entries)) count height

        /// The end of what has been read.
        member _.Reached =
            match parser.Current with
            | NonNull event -> event.End
            | _ -> Mark(0L, 1L, 1L)

        /// The one document of the file; an empty file is an empty section.
        member _.Document() : Node =
            let mutable found = None
            let mutable event = next ()

            while not (event :? StreamEnd) do
                match event, found with
                | :? DocumentStart, None -> found <- Some (node 0 (next ())).Node
                | :? DocumentStart, Some _ ->
                    raise (Refused(event.Start, "a second document begins", "keep one, in a file of its own"))
                | _ -> ()

                event <- next ()

            found
            |> Option.defaultWith (fun () -> Node.mapping (Origin.File(file, 1, 1)) [])

    /// The document in `text`; an empty one is an empty section.
    let parse file (text: string) : Result<Node, Fault list> =
        let reader = Reader(file, text)

        let notYaml (mark: Mark) (error: exn) =
            Error [ SourceText.notYaml file text (int mark.Line) (int mark.Column) error.Message ]

        try
            Ok(reader.Document())
        with
        | :? YamlException as error -> notYaml error.Start error
        // How the parser, too, says that it cannot go on.
        | :? System.InvalidOperationException
        | :? System.ArgumentException -> notYaml reader.Reached (YamlException "it makes no sense after this")
        | Refused(mark, what, remedy) ->
            Error [ SourceText.fault file (int mark.Line) (int mark.Column) what remedy ]
