namespace Conduit.Server

open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Conduit

/// All pools together: how they are now, how they have been, and what happened.
[<RequireQualifiedAccess>]
module ApiOverview =

    let overview (ports: ControlPorts) (_: HttpContext) : Task<Result<Reply, Problem>> =
        Views.overview ports |> Reply.ok |> Ok |> Task.FromResult

    let history (ports: ControlPorts) (_: HttpContext) : Task<Result<Reply, Problem>> =
        Views.history ports |> Reply.ok |> Ok |> Task.FromResult

    let trends (ports: ControlPorts) (_: HttpContext) : Task<Result<Reply, Problem>> =
        Views.trends ports |> Reply.ok |> Ok |> Task.FromResult

    /// The newest events that are remembered, the oldest of them first.
    let events (ports: ControlPorts) http : Task<Result<Reply, Problem>> =
        RequestQuery.number http "limit" 1 ControlEvents.Kept 100
        |> Result.mapError Problem.Invalid
        |> Result.map (fun limit ->
            let past = ports.Events.Past

            let events =
                past |> Array.skip (max 0 (past.Length - limit)) |> Array.map Views.pastEvent

            Reply.ok ({ Events = events }: Wire.Events))
        |> Task.FromResult
