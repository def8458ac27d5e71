namespace Conduit.Bench

open System
open System.Globalization
open System.IO
open System.Text.RegularExpressions
open Conduit.SystemTests

/// The load: wrk where connections do what they can, h2load for HTTP/2 and for so many requests a second.
[<RequireQualifiedAccess>]
module Generator =

    let private h2load: Program = {
        Name = "h2load"
        Package = "nghttp2-client"
    }

    let private url case (port: int) =
        let scheme = if Case.isEncrypted case then "https" else "http"
        $"{scheme}://127.0.0.1:{port}{case.Target}"

    let private headers case = [
        for index in 1 .. case.Headers do
            "-H"
            $"X-Bench-{index}: a value of usual length {index}"
    ]

    let private run program arguments (seconds: int) = task {
        let! ended =
            Child.Run(Programs.path program, arguments, [], TimeSpan.FromSeconds(float seconds + 60.0))

        let report = String.concat "\n" (ended.Output @ ended.Errors)

        if ended.ExitCode <> 0 then
            failwith $"{program.Name} ended with exit code {ended.ExitCode}:\n{report}"

        return report
    }

    let private numbers pattern report =
        match Regex.Match(report, pattern, RegexOptions.Multiline) with
        | found when found.Success -> [
            for group in Seq.tail found.Groups -> Double.Parse(group.Value, CultureInfo.InvariantCulture)
          ]
        | _ -> []

    let private numberOr0 pattern report =
        numbers pattern report |> List.tryHead |> Option.defaultValue 0.0

    /// Requests done, requests a second, and failures.
    let private ofWrk report : int * float * int =
        let errors =
            numbers @"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)" report

        int (numberOr0 @"^\s+(\d+) requests in" report),
        numberOr0 @"^Requests/sec:\s+([\d.]+)" report,
        int (List.sum errors + numberOr0 @"Non-2xx or 3xx responses: (\d+)" report)

    let private ofH2load report : int * float * int =
        int (numberOr0 @"(\d+) succeeded" report),
        numberOr0 @"finished in .*, ([\d.]+) req/s" report,
        int (numberOr0 @"(\d+) failed" report)

    let private wrkScript (directory: TemporaryDirectory) case =
        let path = directory.File "load.lua"

        File.WriteAllText(
            path,
            $"""wrk.method = "POST"
wrk.body = string.rep("a", {case.Upload})
"""
        )

        path

    /// As much as the connections can do for so many seconds.
    let closed (directory: TemporaryDirectory) (case: Case) (seconds: int) (port: int) = task {
        match case.Protocol with
        | Protocol.Http2Tls ->
            let! report =
                run
                    h2load
                    ([ "-c"; string case.Connections; "-m"; "4"; "-t"; "1"; "-D"; string seconds ]
                     @ headers case
                     @ [ url case port ])
                    seconds

            return ofH2load report
        | Protocol.Http1
        | Protocol.Http1Tls ->
            let! report =
                run
                    Programs.wrk
                    ([
                        "-t"
                        "1"
                        "-c"
                        string case.Connections
                        "-d"
                        $"{seconds}s"
                        "--timeout"
                        "10s"
                     ]
                     @ headers case
                     @ (if case.KeepAlive then [] else [ "-H"; "Connection: close" ])
                     @ (if case.Upload > 0 then
                            [ "-s"; wrkScript directory case ]
                        else
                            [])
                     @ [ url case port ])
                    seconds

            return ofWrk report
    }

    /// Whether there is an open-loop load for the case.
    let canPace case =
        case.KeepAlive && case.Upload = 0 && case.Connections <= 512

    let private percentile (sorted: float[]) (share: float) =
        if sorted.Length = 0 then
            nan
        else
            sorted[min (sorted.Length - 1) (int (share * float sorted.Length))]

    /// So many requests a second, spread over the connections, for so many seconds.
    let paced (directory: TemporaryDirectory) (case: Case) (rate: int) (seconds: int) (port: int) = task {
        let log = directory.File "latency.log"
        File.Delete log

        let! _ =
            run
                h2load
                ([
                    if case.Protocol <> Protocol.Http2Tls then
                        "--h1"
                    "-c"
                    string case.Connections
                    "-t"
                    "1"
                    "-D"
                    string seconds
                    "--rps"
                    (float rate / float case.Connections).ToString("F3", CultureInfo.InvariantCulture)
                    "--log-file"
                    log
                 ]
                 @ headers case
                 @ [ url case port ])
                seconds

        // Start in microseconds, status, and how long it took in microseconds, by tabs.
        let answers = File.ReadAllLines log |> Array.map (fun line -> line.Split '\t')
        let good, bad = answers |> Array.partition (fun fields -> fields[1] = "200")

        let sorted =
            good |> Array.map (fun fields -> float fields[2] / 1000.0) |> Array.sort

        return {
            P50 = percentile sorted 0.5
            P99 = percentile sorted 0.99
            P999 = percentile sorted 0.999
            Errors = bad.Length
        }
    }
