namespace Conduit.Server.Ctl

open System
open System.Globalization
open Spectre.Console
open Spectre.Console.Rendering
open Conduit
open Conduit.Server

/// Answers as tables for people.
[<RequireQualifiedAccess>]
module CtlTables =

    let private colour (backend: Wire.Backend) =
        if backend.Available then "green"
        elif backend.State = "ready" then "red"
        else "yellow"

    let private milliseconds (value: float option) =
        match value with
        | None -> "-"
        | Some value when value < 10.0 -> value.ToString("0.0", CultureInfo.InvariantCulture)
        | Some value -> value.ToString("0", CultureInfo.InvariantCulture)

    /// The largest unit that is there once: `3d`, `5h`, `12m`, `40s`.
    let age (seconds: float) =
        let span = TimeSpan.FromSeconds seconds

        if span.TotalDays >= 1.0 then
            $"{int span.TotalDays}d"
        elif span.TotalHours >= 1.0 then
            $"{int span.TotalHours}h"
        elif span.TotalMinutes >= 1.0 then
            $"{int span.TotalMinutes}m"
        else
            $"{int span.TotalSeconds}s"

    /// Columns of texts that others chose give way where the terminal is narrow; figures do not.
    let private shortened = set [ "ID"; "URL"; "POOL"; "WHERE"; "FILE"; "RUNNING" ]

    let private column (name: string) =
        let column = TableColumn name

        if shortened.Contains name then column else column.NoWrap()

    let private ofText (text: string) =
        Text(text, Overflow = Overflow.Ellipsis)

    let private right (text: string) = Text(text).RightJustified()

    let private coloured (colour: string) (text: string) =
        Markup($"[{colour}]{Markup.Escape text}[/]")

    let private table (names: string list) =
        let table = Table().SimpleBorder()

        for name in names do
            table.AddColumn(column name) |> ignore

        table

    let private row (table: Table) (cells: IRenderable list) = table.AddRow cells |> ignore

    /// One line for each backend.
    let backends (backends: Wire.Backend list) : Table =
        let table =
            table [
                "ID"
                "URL"
                "STATE"
                "HEALTH"
                "WEIGHT"
                "BACKUP"
                "FLIGHT"
                "REQUESTS"
                "FAILURES"
                "P50 ms"
                "P99 ms"
                "SINCE"
            ]

        for backend in backends do
            row table [
                ofText backend.Id
                ofText backend.Url
                coloured (colour backend) backend.State
                coloured (if backend.Health = "down" then "red" else "green") backend.Health
                right (string backend.Weight)
                ofText (if backend.Backup then "backup" else "")
                right (string backend.InFlight)
                right (string backend.Requests)
                right (string backend.Failures)
                right (milliseconds backend.LatencyMs.P50)
                right (milliseconds backend.LatencyMs.P99)
                right (age backend.SinceSeconds)
            ]

        table

    /// One line for each pool.
    let pools (pools: Wire.Pools) : Table =
        let table =
            table [ "POOL"; "STRATEGY"; "AVAILABLE"; "FLIGHT"; "REQUESTS"; "FAILURES" ]

        for pool in pools.Pools do
            let colour =
                if pool.Available = 0 then "red"
                elif pool.Available < pool.Backends then "yellow"
                else "green"

            row table [
                ofText pool.Name
                ofText pool.Strategy
                coloured colour $"{pool.Available} of {pool.Backends}"
                right (string pool.InFlight)
                right (string pool.Requests)
                right (string pool.Failures)
            ]

        table

    let differences (differences: Wire.Differences) : Table =
        let table = table [ "WHERE"; "FILE"; "RUNNING" ]

        for each in differences.Differences do
            row table [
                ofText each.Where
                ofText (Option.defaultValue "-" each.File)
                ofText (Option.defaultValue "-" each.Runtime)
            ]

        table

    /// An event as one line.
    let event (event: Wire.Event) =
        let parts = [
            Some(event.At.ToString("HH:mm:ss", CultureInfo.InvariantCulture))
            Some(event.Type.Replace('_', ' '))
            event.Backend
            event.Url
            event.State
            event.Weight |> Option.map (fun weight -> $"weight {weight}")
            event.Version |> Option.map (fun version -> $"version {version}")
            event.Count |> Option.map (fun count -> $"{count} events missed")
            event.Reason
            event.Changes |> Option.map (String.concat ", ")
            event.Faults
            |> Option.map (Array.map (fun fault -> $"{fault.Where}: {fault.What}") >> String.concat ", ")
        ]

        parts |> List.choose id |> String.concat "  "
