namespace Conduit.Server

open System.IO
open System.Reflection
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Conduit

/// The configuration: where it comes from, what it says, and where the running state differs from it.
[<RequireQualifiedAccess>]
module ApiConfig =

    let config (ports: ControlPorts) (_: HttpContext) : Task<Result<Reply, Problem>> =
        Views.config (ports.ConfigStatus()) (ports.EffectiveConfig())
        |> Reply.ok
        |> Ok
        |> Task.FromResult

    let differences (ports: ControlPorts) (_: HttpContext) : Task<Result<Reply, Problem>> =
        let differences: Wire.Differences = {
            Differences = ports.Differences() |> List.map Views.difference |> List.toArray
        }

        Task.FromResult(Ok(Reply.ok differences))

    let private ofReload (outcome: Result<ReloadReport, Fault list>) : Result<Reply, Problem> =
        outcome
        |> Result.mapError Problem.ReloadFailed
        |> Result.map (fun report ->
            let reload: Wire.Reload = {
                Version = report.Version
                Changes = List.toArray report.Changes
            }

            Reply.ok reload)

    let reload (ports: ControlPorts) (_: HttpContext) : Task<Result<Reply, Problem>> = task {
        let! outcome = ports.Reload()
        return ofReload outcome
    }

    /// What a reload would answer now, without any of it being done.
    let preview (ports: ControlPorts) (_: HttpContext) : Task<Result<Reply, Problem>> =
        ports.Preview() |> ofReload |> Task.FromResult

    let private document =
        lazy
            (match Assembly.GetExecutingAssembly().GetManifestResourceStream "openapi.json" with
             | null -> failwith "openapi.json is not in the assembly"
             | stream ->
                 use reader = new StreamReader(stream)
                 reader.ReadToEnd())

    /// The description of this API.
    let openApi (http: HttpContext) : Task =
        http.Response.ContentType <- "application/json"
        http.Response.WriteAsync(document.Value, http.RequestAborted)
