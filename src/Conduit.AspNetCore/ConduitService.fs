namespace Conduit.AspNetCore

open System
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Microsoft.Extensions.Hosting
open Microsoft.Extensions.Logging
open Conduit
open Conduit.Server

/// The balancer of an application: starts and ends with it.
[<Sealed>]
type ConduitService internal (options: ConduitOptions, loggers: ILoggerFactory) =

    [<VolatileField>]
    let mutable running: EmbeddedBalancer option = None

    /// Serves a request; 503 while the application is not up.
    member _.Serve(http: HttpContext) : Task =
        match running with
        | Some balancer -> balancer.Serve http
        | None ->
            http.Response.StatusCode <- StatusCodes.Status503ServiceUnavailable
            Task.CompletedTask

    interface IHostedService with
        member _.StartAsync _ = task {
            match! EmbeddedBalancer.Start(options.Source, options.Extensions, loggers) with
            | Ok balancer -> running <- Some balancer
            | Error faults ->
                return invalidOp (faults |> List.map Fault.render |> String.concat Environment.NewLine)
        }

        member _.StopAsync _ =
            running |> Option.iter _.Drain()
            Task.CompletedTask

    interface IAsyncDisposable with
        member _.DisposeAsync() =
            match running with
            | Some balancer -> (balancer :> IAsyncDisposable).DisposeAsync()
            | None -> ValueTask.CompletedTask
