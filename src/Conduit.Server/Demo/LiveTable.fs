namespace Conduit.Server.Demo

open System
open Spectre.Console
open Conduit

/// One line of the live table: what a backend has done since the line before.
type Row = {
    Name: string
    Url: string
    State: string
    Healthy: bool
    InFlight: int
    Requests: int64
    PerSecond: float
    Latency: TimeSpan option
}

/// What a backend's cells said at a moment.
type private Reading = {
    At: Instant
    Requests: int64
    Latency: int64[]
}

/// Turns the live cells of the backends into rows.
[<Sealed>]
type RowSource() =
    let mutable before: Map<BackendId, Reading> = Map.empty

    static let state backend =
        match backend.Admin, Health.isUp backend.Health with
        | AdminState.Draining, _ -> "draining"
        | AdminState.Disabled, _ -> "disabled"
        | AdminState.NotReady, _ -> "not ready"
        | AdminState.Ready, true -> "up"
        | AdminState.Ready, false -> "down"

    let row now (target: Target) =
        let id = target.Backend.Spec.Id

        let reading = {
            At = now
            Requests = target.Gauge.Requests
            Latency = target.Gauge.Latency.Read()
        }

        let since =
            before
            |> Map.tryFind id
            |> Option.defaultValue {
                reading with
                    Latency = Array.zeroCreate Buckets.count
            }

        before <- Map.add id reading before
        let seconds = (Instant.elapsed since.At now).TotalSeconds

        {
            Name = BackendId.value id
            Url = string target.Backend.Spec.Url
            State = state target.Backend
            Healthy = Backend.isAvailable target.Backend
            InFlight = target.Gauge.InFlight
            Requests = reading.Requests
            PerSecond =
                if seconds > 0.0 then
                    float (reading.Requests - since.Requests) / seconds
                else
                    0.0
            Latency =
                Array.map2 (-) reading.Latency since.Latency
                |> Durations.ofCounts
                |> Durations.percentile 0.5
        }

    /// The rows since the last call.
    member _.Next(now, targets: Target[]) = targets |> Array.map (row now)

/// Draws rows.
[<RequireQualifiedAccess>]
module LiveTable =

    let private latency (row: Row) =
        match row.Latency with
        | Some latency -> $"{latency.TotalMilliseconds:F1} ms"
        | None -> "-"

    let private cells (row: Row) = [
        row.Name
        row.Url
        row.State
        string row.InFlight
        string row.Requests
        $"{row.PerSecond:F0}"
        latency row
    ]

    /// A table for a terminal.
    let live (rows: Row[]) =
        let table = Table().RoundedBorder()

        for heading in [ "Backend"; "URL"; "State" ] do
            table.AddColumn(TableColumn heading) |> ignore

        for heading in [ "In flight"; "Requests"; "per second"; "Median" ] do
            table.AddColumn(TableColumn(heading).RightAligned()) |> ignore

        for row in rows do
            let colour = if row.Healthy then "green" else "red"

            cells row
            |> List.mapi (fun i cell ->
                if i = 2 then
                    $"[{colour}]{Markup.Escape cell}[/]"
                else
                    Markup.Escape cell)
            |> List.toArray
            |> table.AddRow
            |> ignore

        table

    /// One line for each row, where there is no terminal.
    let plain (rows: Row[]) =
        for row in rows do
            match cells row with
            | [ name; _; state; inFlight; requests; perSecond; latency ] ->
                printfn
                    "%-8s %-9s in flight %3s  requests %7s  per second %5s  median %s"
                    name
                    state
                    inFlight
                    requests
                    perSecond
                    latency
            | _ -> ()
