namespace Conduit.Bench

open System
open System.IO
open System.Text.Encodings.Web
open System.Text.Json

/// Closed-loop load: every connection sends its next request when it has the answer to the last.
type Throughput = {
    /// Processor time of the proxy's processes for each request, in microseconds.
    Cost: float
    /// Requests a second.
    Rate: float
    /// Requests that got no answer, or another than 200.
    Errors: int
}

/// Open-loop load: so many requests a second, whatever the answers do. In milliseconds.
type Latency = {
    P50: float
    P99: float
    P999: float
    Errors: int
}

/// What one proxy did in one case.
type PeerResult = {
    Peer: string
    Version: string
    /// One for each round.
    Throughput: Throughput list
    Latency: Latency list
    /// The highest resident memory of all its processes together, in bytes.
    PeakMemory: int64
    /// Bytes that the heap gave out for each request; nothing where the proxy does not tell.
    Allocated: float option
}

type CaseResult = {
    Case: string
    Title: string
    Date: DateTimeOffset
    Machine: string
    Seconds: int
    /// The rate of the open-loop load in requests a second; 0 where there was none.
    LatencyRate: int
    Peers: PeerResult list
}

[<RequireQualifiedAccess>]
module Results =

    let private options =
        JsonSerializerOptions(WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping)

    let median (values: float list) =
        match List.sort values with
        | [] -> nan
        | sorted when sorted.Length % 2 = 1 -> sorted[sorted.Length / 2]
        | sorted -> (sorted[sorted.Length / 2 - 1] + sorted[sorted.Length / 2]) / 2.0

    let cost (result: PeerResult) =
        result.Throughput |> List.map _.Cost |> median

    let rate (result: PeerResult) =
        result.Throughput |> List.map _.Rate |> median

    let latency (percentile: Latency -> float) (result: PeerResult) =
        result.Latency |> List.map percentile |> median

    let errors (result: PeerResult) =
        List.sumBy (fun (each: Throughput) -> each.Errors) result.Throughput
        + List.sumBy (fun (each: Latency) -> each.Errors) result.Latency

    let save (directory: string) (result: CaseResult) =
        Directory.CreateDirectory directory |> ignore

        File.WriteAllText(
            Path.Combine(directory, result.Case + ".json"),
            JsonSerializer.Serialize(result, options) + "\n"
        )

    /// Those that a directory has, in the order of the cases.
    let load (directory: string) : CaseResult list = [
        for case in Case.all do
            let file = Path.Combine(directory, case.Name + ".json")

            if File.Exists file then
                match JsonSerializer.Deserialize<CaseResult>(File.ReadAllText file, options) with
                | null -> ()
                | result -> result
    ]
