namespace Conduit.Server.Tests

open System
open System.Globalization
open System.Net.Http
open System.Text.RegularExpressions
open System.Threading.Tasks

/// One line of an exposition.
type Series = {
    Name: string
    Labels: Map<string, string>
    Value: float
}

/// Metrics as a scraper reads them.
[<RequireQualifiedAccess>]
module Metrics =

    let private line = Regex @"^([a-z0-9_]+)(?:\{(.*)\})? (\S+)$"
    let private label = Regex @"([a-z_]+)=""((?:[^""\\]|\\.)*)"""

    let private number (text: string) =
        Double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture)

    let parse (text: string) : Series list = [
        for each in text.Split('\n', StringSplitOptions.RemoveEmptyEntries) do
            if not (each.StartsWith '#') then
                let found = line.Match each

                if not found.Success then
                    failwith $"not a line of an exposition: {each}"

                {
                    Name = found.Groups[1].Value
                    Labels =
                        label.Matches found.Groups[2].Value
                        |> Seq.map (fun pair -> pair.Groups[1].Value, pair.Groups[2].Value)
                        |> Map.ofSeq
                    Value = number found.Groups[3].Value
                }
    ]

    let read (url: string) : Task<Series list> = task {
        use client = new HttpClient()
        let! text = client.GetStringAsync $"{url}/metrics"
        return parse text
    }

    /// The sum of all series of this name that have these labels.
    let sum name (labels: (string * string) list) (series: Series list) =
        series
        |> List.filter (fun each ->
            each.Name = name
            && labels
               |> List.forall (fun (name, value) -> Map.tryFind name each.Labels = Some value))
        |> List.sumBy _.Value
