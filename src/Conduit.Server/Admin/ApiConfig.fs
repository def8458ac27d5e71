namespace Conduit.Server

open System.IO
open System.Reflection
open System.Threading.Tasks
open Microsoft.AspNetCore.Http

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

    let reload (ports: ControlPorts) (_: HttpContext) : Task<Result<Reply, Problem>> = task {
        match! ports.Reload() with
        | Error faults -> return Error(Problem.ReloadFailed faults)
        | Ok report ->
            let reload: Wire.Reload = {
                Version = report.Version
                Changes = List.toArray report.Changes
            }

            return Ok(Reply.ok reload)
    }

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
