namespace Conduit.SystemTests

open System
open System.Globalization
open System.Text.RegularExpressions

/// What a load generator saw.
type LoadResult = {
    /// Requests per second, as the generator measured them.
    Rate: float
    /// Answers by status code. wrk tells only those with 2xx and 3xx (as 200) from the others (as 0).
    Statuses: Map<int, int>
    /// Requests without a good answer, by what happened to them.
    Errors: (string * int) list
} with

    member this.Answers = this.Statuses |> Map.toSeq |> Seq.sumBy snd

    /// Requests that got no answer at all, or another than 200.
    member this.Failures =
        let other = this.Statuses |> Map.remove 200 |> Map.toSeq |> Seq.sumBy snd
        other + List.sumBy snd this.Errors

    override this.ToString() =
        let counted = [
            for KeyValue(status, count) in this.Statuses -> $"{count} x {status}"
            for what, count in this.Errors -> $"{count} x {what}"
        ]

        let counts = String.concat ", " counted
        $"{this.Rate:F0} requests/s: {counts}"

/// Real load generators.
[<RequireQualifiedAccess>]
module Load =

    let private number (text: string) =
        Double.Parse(text, CultureInfo.InvariantCulture)

    let private count (text: string) =
        Int32.Parse(text, CultureInfo.InvariantCulture)

    let private matches pattern text = [
        for found in Regex.Matches(text, pattern, RegexOptions.Multiline) ->
            [ for group in found.Groups -> group.Value ]
    ]

    let private rate pattern text =
        match matches pattern text with
        | [ [ _; value ] ] -> number value
        | _ -> failwith $"no rate in the generator's report:\n{text}"

    let private run program arguments deadline = task {
        let! ended = Child.Run(Programs.path program, arguments, [], deadline)
        let report = String.concat "\n" (ended.Output @ ended.Errors)

        if ended.ExitCode <> 0 then
            failwith $"{program.Name} ended with exit code {ended.ExitCode}:\n{report}"

        return report
    }

    /// Reads a report of hey.
    let ofHey report =
        let split marker (text: string) =
            match text.Split(marker + "\n") with
            | [| before; after |] -> before, after
            | _ -> text, ""

        let answered, failed = split "Error distribution:" report

        {
            Rate = rate @"Requests/sec:\s+([\d.]+)" report
            Statuses =
                matches @"^\s+\[(\d+)\]\s+(\d+) responses$" answered
                |> List.map (fun groups -> count groups[1], count groups[2])
                |> Map.ofList
            Errors =
                matches @"^\s+\[(\d+)\]\s+(.+)$" failed
                |> List.map (fun groups -> groups[2], count groups[1])
        }

    /// Reads a report of wrk.
    let ofWrk report =
        let total =
            match matches @"^\s+(\d+) requests in" report with
            | [ [ _; value ] ] -> count value
            | _ -> failwith $"no total in the report of wrk:\n{report}"

        let bad =
            match matches @"^\s+Non-2xx or 3xx responses: (\d+)$" report with
            | [ [ _; value ] ] -> count value
            | _ -> 0

        let errors =
            match matches @"^\s+Socket errors: (.+)$" report with
            | [ [ _; listed ] ] ->
                matches @"(\w+) (\d+)" listed
                |> List.map (fun groups -> groups[1] + " error", count groups[2])
                |> List.filter (fun (_, count) -> count > 0)
            | _ -> []

        {
            Rate = rate @"^Requests/sec:\s+([\d.]+)$" report
            Statuses = [ 200, total - bad; 0, bad ] |> List.filter (snd >> (<) 0) |> Map.ofList
            Errors = errors
        }

    /// Reads a report of h2load.
    let ofH2load report =
        let counted =
            matches @"(\d+) (succeeded|failed|errored|timeout|2xx|3xx|4xx|5xx)" report
            |> List.map (fun groups -> groups[2], count groups[1])
            |> Map.ofList

        let rate =
            match matches @"^finished in .*, ([\d.]+) req/s" report with
            | [ [ _; value ] ] -> number value
            | _ -> failwith $"no rate in the report of h2load:\n{report}"

        {
            Rate = rate
            Statuses =
                [
                    200, counted["2xx"]
                    300, counted["3xx"]
                    400, counted["4xx"]
                    500, counted["5xx"]
                ]
                |> List.filter (snd >> (<) 0)
                |> Map.ofList
            Errors =
                [ "failed"; "errored"; "timeout" ]
                |> List.map (fun what -> what, counted[what])
                |> List.filter (snd >> (<) 0)
        }

    /// At least `requests` GETs over `connections` kept connections. hey gives each connection the same
    /// number, and would round down.
    let heyRequests (requests: int) (connections: int) (url: string) = task {
        let whole = (requests + connections - 1) / connections * connections

        let! report =
            run Programs.hey [ "-n"; string whole; "-c"; string connections; url ] (TimeSpan.FromMinutes 3.0)

        return ofHey report
    }

    /// GETs for a number of seconds. hey sends a GET again by itself when a kept connection closes under it.
    let heyFor (seconds: int) (connections: int) (url: string) = task {
        let! report =
            run
                Programs.hey
                [ "-z"; $"{seconds}s"; "-c"; string connections; url ]
                (TimeSpan.FromSeconds(float seconds + 60.0))

        return ofHey report
    }

    /// GETs for a number of seconds, so many a second over all connections.
    let heyAt (rate: int) (seconds: int) (connections: int) (url: string) = task {
        let each = string (rate / connections)

        let! report =
            run
                Programs.hey
                [ "-z"; $"{seconds}s"; "-c"; string connections; "-q"; each; url ]
                (TimeSpan.FromSeconds(float seconds + 60.0))

        return ofHey report
    }

    /// The same with a connection, and a handshake, for each.
    let heyHandshakes (rate: int) (seconds: int) (connections: int) (url: string) = task {
        let each = string (rate / connections)

        let! report =
            run
                Programs.hey
                [
                    "-z"
                    $"{seconds}s"
                    "-c"
                    string connections
                    "-q"
                    each
                    "-disable-keepalive"
                    url
                ]
                (TimeSpan.FromSeconds(float seconds + 60.0))

        return ofHey report
    }

    /// GETs over HTTP/2, known beforehand for an http URL: so many over `connections` with `streams` at once on
    /// each.
    let h2load (requests: int) (connections: int) (streams: int) (url: string) = task {
        let! report =
            run
                Programs.h2load
                [ "-n"; string requests; "-c"; string connections; "-m"; string streams; url ]
                (TimeSpan.FromMinutes 3.0)

        return ofH2load report
    }

    /// GETs for a number of seconds. wrk never repeats one: what fails is in its errors.
    let wrkFor (seconds: int) (connections: int) (url: string) = task {
        let! report =
            run
                Programs.wrk
                [ "-t"; "1"; "-c"; string connections; "-d"; $"{seconds}s"; url ]
                (TimeSpan.FromSeconds(float seconds + 60.0))

        return ofWrk report
    }
