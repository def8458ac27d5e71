namespace Conduit.Bench

open System
open System.Globalization
open System.IO

/// The results as tables, between two marks of a document.
[<RequireQualifiedAccess>]
module Report =

    let private beginning = "<!-- figures: written by the benchmark -->"
    let private ending = "<!-- end of figures -->"

    let private number (format: string) (value: float) =
        if Double.IsNaN value then
            ""
        else
            value.ToString(format, CultureInfo.InvariantCulture)

    let private row (cells: string list) = "| " + String.concat " | " cells + " |"

    let private spread (result: PeerResult) =
        let costs = result.Throughput |> List.map _.Cost
        number "0.0" (List.min costs) + " to " + number "0.0" (List.max costs)

    let private peerRow (own: PeerResult option) (result: PeerResult) =
        let ratio =
            own
            |> Option.map (fun own -> Results.cost result / Results.cost own |> number "0.00")
            |> Option.defaultValue ""

        row [
            result.Peer
            number "0.0" (Results.cost result)
            spread result
            ratio
            number "N0" (Results.rate result)
            number "0.00" (Results.latency _.P50 result)
            number "0.00" (Results.latency _.P99 result)
            number "0.00" (Results.latency _.P999 result)
            number "0" (float result.PeakMemory / 1048576.0)
            result.Allocated |> Option.map (number "0") |> Option.defaultValue ""
            string (Results.errors result)
        ]

    let private table (result: CaseResult) =
        let own = result.Peers |> List.tryFind (fun each -> each.Peer = "conduit")

        let paced =
            if result.LatencyRate > 0 then
                $" Latency at {result.LatencyRate} requests/s."
            else
                ""

        let rounds = result.Peers.Head.Throughput.Length
        let date = result.Date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)

        [
            $"### {result.Title}"
            ""
            $"`--cases {result.Case}`, {date}, {rounds} rounds of {result.Seconds} s.{paced}"
            ""
            row [
                "proxy"
                "µs/request"
                "from, to"
                "Conduit = 1"
                "requests/s"
                "p50 ms"
                "p99 ms"
                "p99.9 ms"
                "peak MB"
                "B/request"
                "errors"
            ]
            row [ "---"; yield! List.replicate 10 "---:" ]
            yield! result.Peers |> List.sortBy Results.cost |> List.map (peerRow own)
            ""
        ]

    let private goalRow results (goal: Goal) =
        let what =
            match goal.Figure with
            | Figure.Cost -> "processor time by request"
            | Figure.P99 -> "p99"

        let reached = Goals.reached results goal

        row [
            goal.Case
            $"{what}, to {goal.Peer}'s"
            number "0.00" goal.Limit
            reached |> Option.map (number "0.00") |> Option.defaultValue "not measured"
            match reached with
            | Some figure when figure <= goal.Limit -> "yes"
            | Some _ -> "no"
            | None -> ""
        ]

    let private versions (results: CaseResult list) =
        results
        |> List.collect _.Peers
        |> List.map (fun each -> each.Peer, each.Version)
        |> List.distinct
        |> List.map (fun (peer, version) -> $"{peer} {version}")
        |> String.concat ", "

    /// All tables, as Markdown.
    let markdown (results: CaseResult list) =
        let machines = results |> List.map _.Machine |> List.distinct

        [
            yield! machines |> List.map (fun machine -> $"Machine: {machine}.")
            $"Versions: {versions results}."
            ""
            "![Processor time by request](benchmarks.svg)"
            ""
            "### Goals"
            ""
            row [ "case"; "Conduit's"; "at most"; "measured"; "reached" ]
            row [ "---"; "---"; "---:"; "---:"; "---" ]
            yield! Goals.all |> List.map (goalRow results)
            ""
            yield! List.collect table results
        ]
        |> String.concat "\n"

    let private root (document: string) =
        Path.GetDirectoryName document |> Option.ofObj |> Option.defaultValue ""

    /// Puts the tables into the document, and the picture beside it.
    let write (document: string) (results: CaseResult list) =
        let text = File.ReadAllText document
        let first = text.IndexOf(beginning, StringComparison.Ordinal)
        let last = text.IndexOf(ending, StringComparison.Ordinal)

        if first < 0 || last < first then
            failwith $"{document} has no place for figures"

        let before, after = text.Substring(0, first + beginning.Length), text.Substring last
        File.WriteAllText(document, before + "\n\n" + markdown results + after)
        File.WriteAllText(Path.Combine(root document, "benchmarks.svg"), Chart.svg results)
