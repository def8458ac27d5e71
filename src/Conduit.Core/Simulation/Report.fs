namespace Conduit.Simulation

open System
open System.Globalization
open System.Text

/// Results as text: tables and plots for a terminal.
[<RequireQualifiedAccess>]
module Report =

    let private time (span: TimeSpan) =
        let milliseconds = span.TotalMilliseconds

        let format =
            if milliseconds < 10.0 then "0.00"
            elif milliseconds < 100.0 then "0.0"
            else "0"

        milliseconds.ToString(format, CultureInfo.InvariantCulture) + " ms"

    let private percent (share: float) =
        (100.0 * share).ToString("0.0", CultureInfo.InvariantCulture) + " %"

    let private bar width (share: float) =
        String('#', int (Math.Round(share * float width)))

    /// Columns as wide as their widest cell; the first is aligned to the left, the others to the right.
    let private table (rows: string list list) =
        let widths =
            rows
            |> List.transpose
            |> List.map (fun column -> column |> List.map _.Length |> List.max)

        let line row =
            List.zip widths row
            |> List.mapi (fun index (width: int, cell: string) ->
                if index = 0 then
                    cell.PadRight width
                else
                    cell.PadLeft width)
            |> String.concat "  "

        rows |> List.map (fun row -> (line row).TrimEnd() + "\n") |> String.concat ""

    /// A line for each strategy: how long requests took, and how unevenly servers worked.
    let comparison (results: SimulationResult list) : string =
        let row (result: SimulationResult) =
            let at share =
                time (Simulation.percentile share result.Latencies)

            let busy = result.Servers |> List.map _.Busy

            [
                result.Strategy
                at 0.5
                at 0.9
                at 0.99
                time (Array.last result.Latencies)
                percent (List.min busy)
                percent (List.max busy)
            ]

        [ "strategy"; "p50"; "p90"; "p99"; "max"; "least busy"; "most busy" ]
        :: List.map row results
        |> table

    /// A line and a bar for each server: its share of the requests.
    let distribution (result: SimulationResult) : string =
        let total = float result.Latencies.Length

        let row (server: ServerResult) =
            let share = float server.Requests / total

            [
                server.Name
                string server.Requests
                percent share
                time (Simulation.percentile 0.99 server.Latencies)
                string server.MostInFlight
                (bar 40 share).PadRight 40
            ]

        [ "server"; "requests"; "share"; "p99"; "most in flight"; "".PadRight 40 ]
        :: List.map row result.Servers
        |> table

    /// How many requests took how long: a bar for each doubling of the latency.
    let latencies (result: SimulationResult) : string =
        let bucket (latency: TimeSpan) =
            int (floor (Math.Log2(max 0.001 latency.TotalMilliseconds)))

        let counts = result.Latencies |> Array.countBy bucket |> Map.ofArray
        let most = counts |> Map.values |> Seq.max |> float
        let text = StringBuilder()

        for power in Seq.min counts.Keys .. Seq.max counts.Keys do
            let count = counts |> Map.tryFind power |> Option.defaultValue 0
            let below = time (TimeSpan.FromMilliseconds(Math.Pow(2.0, float (power + 1))))

            text
                .Append($"< {below}".PadRight 12)
                .Append($"{count}".PadLeft 8)
                .Append(("  " + bar 50 (float count / most)).TrimEnd())
                .Append('\n')
            |> ignore

        string text
