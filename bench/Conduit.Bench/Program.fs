module Conduit.Bench.Program

open System
open System.IO
open Conduit.SystemTests

let private usage =
    "bench [--cases a,b] [--peers a,b] [--rounds 5] [--seconds 4] [--warm-up 6] [--latency-rounds 3]\n"
    + "bench --report    writes docs/benchmarks.md from the results that there are\n\n"
    + $"""cases: {Case.all |> List.map _.Name |> String.concat " "}"""
    + $"""{"\n"}peers: {Peers.all |> List.map _.Name |> String.concat " "}"""

/// `--name value`, or nothing.
let private value (name: string) (arguments: string list) =
    arguments
    |> List.pairwise
    |> List.tryPick (fun (flag, value) -> if flag = name then Some value else None)

let private number name fallback arguments =
    value name arguments |> Option.map int |> Option.defaultValue fallback

/// Those that a list names, in their own order; all of them without a list.
let private chosen (nameOf: 'T -> string) flag arguments (all: 'T list) =
    match value flag arguments with
    | None -> all
    | Some list ->
        let names = list.Split(',', StringSplitOptions.TrimEntries) |> List.ofArray

        match
            names
            |> List.filter (fun name -> all |> List.forall (fun each -> nameOf each <> name))
        with
        | [] -> all |> List.filter (fun each -> List.contains (nameOf each) names)
        | unknown ->
            let listed = String.concat ", " unknown
            failwith $"{flag}: there is no {listed}\n{usage}"

let private run (results: string) (document: string) arguments =
    let cases = chosen (fun (case: Case) -> case.Name) "--cases" arguments Case.all
    let peers = chosen (fun (peer: Peer) -> peer.Name) "--peers" arguments Peers.all

    let plan = {
        Rounds = number "--rounds" 5 arguments
        Seconds = number "--seconds" 4 arguments
        WarmUp = number "--warm-up" 6 arguments
        LatencyRounds = number "--latency-rounds" 3 arguments
    }

    for peer in peers do
        peer.Prepare()

    let versions =
        peers |> List.map (fun peer -> peer.Name, peer.Version()) |> Map.ofList

    for case in cases do
        let result = (Measure.run plan versions peers case).GetAwaiter().GetResult()
        Results.save results result
        printfn "\n%s" (Report.markdown [ result ])

    if cases.Length = Case.all.Length && peers.Length = Peers.all.Length then
        Report.write document (Results.load results)

[<EntryPoint>]
let main argv =
    let arguments = List.ofArray argv
    let root = Programs.root.Value
    let results = Path.Combine(root, "artifacts", "bench")
    let document = Path.Combine(root, "docs", "benchmarks.md")

    if List.contains "--help" arguments then
        printfn "%s" usage
    elif List.contains "--report" arguments then
        Report.write document (Results.load results)
    else
        run results document arguments

    0
