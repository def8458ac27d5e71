namespace Conduit.Server

open System.IO
open YamlDotNet.Core
open YamlDotNet.RepresentationModel
open Conduit

/// Reads YAML into a document that knows where everything stands.
[<RequireQualifiedAccess>]
module YamlTree =

    /// Aliases can make a small file unfold into an endless one; past so many nodes it is refused.
    let private mostNodes = 1_000_000

    exception private TooLarge of Mark
    exception private TooDeep of Mark

    let private at file (mark: Mark) =
        Origin.File(file, int mark.Line, int mark.Column)

    /// YAML 1.2's null, when it is not quoted.
    let private isNull (scalar: YamlScalarNode) =
        scalar.Style = ScalarStyle.Plain
        && (match scalar.Value with
            | null
            | ""
            | "~"
            | "null" -> true
            | _ -> false)

    let private convert file (root: YamlNode) =
        let mutable nodes = 0

        let rec node (yaml: YamlNode) : Node =
            nodes <- nodes + 1

            if nodes > mostNodes then
                raise (TooLarge yaml.Start)

            {
                Origin = at file yaml.Start
                Value =
                    match yaml with
                    | :? YamlMappingNode as mapping ->
                        NodeValue.Mapping [ for pair in mapping.Children -> entry pair.Key pair.Value ]
                    | :? YamlSequenceNode as sequence ->
                        NodeValue.Sequence(sequence.Children |> Seq.map node |> List.ofSeq)
                    | :? YamlScalarNode as scalar when isNull scalar -> NodeValue.Nothing
                    | other -> NodeValue.Scalar(string other)
            }

        and entry key value : Entry = {
            Key = string key
            KeyOrigin = at file key.Start
            Node = node value
        }

        node root

    /// Deeper documents are no configurations, and reading one would use up the stack.
    let private deepest = 64

    let private checkDepth (text: string) =
        let parser = Parser(new StringReader(text))
        let mutable depth = 0

        while parser.MoveNext() do
            match parser.Current with
            | NonNull event ->
                depth <- depth + event.NestingIncrease

                if depth > deepest then
                    raise (TooDeep event.Start)
            | _ -> ()

    /// The document in `text`; an empty one is an empty section.
    let parse file (text: string) : Result<Node, Fault list> =
        let refuse (mark: Mark) what remedy =
            Error [ Fault.create (Node.where (at file mark) "") what remedy ]

        try
            checkDepth text
            let stream = YamlStream()
            stream.Load(new StringReader(text))

            match List.ofSeq stream.Documents with
            | [] -> Ok(Node.mapping (Origin.File(file, 1, 1)) [])
            | document :: _ -> Ok(convert file document.RootNode)
        with
        | :? YamlException as error -> refuse error.Start $"is not YAML: {error.Message}" "mend it here"
        | TooDeep mark -> refuse mark "is nested too deeply" "64 levels are the most"
        | TooLarge mark -> refuse mark "unfolds into more than a million values" "use fewer aliases"
