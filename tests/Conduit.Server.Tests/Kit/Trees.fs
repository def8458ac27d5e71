namespace Conduit.Server.Tests

open FsCheck.FSharp
open Xunit
open Conduit
open Conduit.Server

/// What tests of the two document readers share.
[<RequireQualifiedAccess>]
module Trees =

    let right (read: Result<'a, Fault list>) =
        match read with
        | Ok value -> value
        | Error faults -> failwith (faults |> List.map Fault.render |> String.concat "\n")

    let wrong (read: Result<'a, Fault list>) =
        match read with
        | Ok value -> failwith $"it was read as %A{value}"
        | Error faults -> faults

    /// The one fault that there is must stand here and say this.
    let refused (where: string) (what: string) (read: Result<'a, Fault list>) =
        let fault = Assert.Single(wrong read)
        Assert.Equal(where, fault.Where)
        Assert.Contains(what, fault.What)
        Assert.NotEqual<string>("", fault.Remedy)

    /// The document without its places, in one line.
    let rec show (node: Node) : string =
        match node.Value with
        | NodeValue.Nothing -> "-"
        | NodeValue.Scalar text -> $"'{text}'"
        | NodeValue.Sequence items -> "[" + (items |> List.map show |> String.concat " ") + "]"
        | NodeValue.Mapping entries ->
            let each = entries |> List.map (fun entry -> $"{entry.Key}:{show entry.Node}")
            "{" + String.concat " " each + "}"

    let private place origin =
        match origin with
        | Origin.File(_, line, column) -> $"{line}:{column}"
        | Origin.Given name -> name

    /// Every key with its place and that of its value, in their order.
    let rec places (node: Node) : string list =
        match node.Value with
        | NodeValue.Mapping entries -> [
            for entry in entries do
                $"{entry.Key} {place entry.KeyOrigin} {place entry.Node.Origin}"
                yield! places entry.Node
          ]
        | NodeValue.Sequence items -> [
            for item in items do
                $"- {place item.Origin}"
                yield! places item
          ]
        | _ -> []

    /// How many lines the text has, and how many columns the longest of them.
    let private extent (breaks: string) (text: string) =
        let lines = text.Split(breaks.ToCharArray())
        lines.Length, lines |> Seq.map _.Length |> Seq.max

    /// Whether the reader came to an end that it may come to: a document, or faults that are whole and
    /// stand within the text, whose lines end with any of `breaks`.
    let isSound breaks (text: string) (read: Result<Node, Fault list>) =
        let lines, columns = extent breaks text

        match read with
        | Ok _ -> true
        | Error [] -> false
        | Error faults ->
            faults
            |> List.forall (fun fault ->
                match fault.Where.Split ':' with
                | [| _; line; column |] ->
                    fault.What <> ""
                    && fault.Remedy <> ""
                    && int line >= 1
                    && int line <= lines + 1
                    && int column >= 1
                    && int column <= columns + 2
                | _ -> false)

    /// A text with some of it dropped, doubled, or replaced by one of the pieces, a few times over.
    let mutations (pieces: string list) (text: string) = gen {
        let mutateOnce (text: string) = gen {
            let! at = Gen.choose (0, text.Length)
            let! length = Gen.choose (0, min 12 (text.Length - at))
            let! piece = Gen.elements pieces

            return!
                Gen.elements [
                    text.Remove(at, length)
                    text.Insert(at, text.Substring(at, length))
                    text.Remove(at, length).Insert(at, piece)
                    text.Insert(at, piece)
                ]
        }

        let! times = Gen.choose (1, 6)

        return!
            (Gen.constant text, [ 1..times ])
            ||> List.fold (fun text _ -> Gen.bind mutateOnce text)
    }
