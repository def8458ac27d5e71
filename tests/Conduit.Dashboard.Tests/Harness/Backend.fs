namespace Conduit.DashboardTests

open System
open System.Net
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Builder
open Microsoft.AspNetCore.Hosting
open Microsoft.AspNetCore.Http
open Microsoft.Extensions.DependencyInjection
open Conduit.SystemTests

/// A backend that counts its own requests; `/healthz` is no request.
[<Sealed>]
type Backend private (id: string, port: int) =
    let mutable requests = 0
    let mutable status = 200
    let mutable delay = TimeSpan.Zero
    let mutable app: WebApplication option = None

    let answer (http: HttpContext) : Task = task {
        if string http.Request.Path <> "/healthz" then
            Interlocked.Increment &requests |> ignore
            do! Task.Delay delay
            http.Response.StatusCode <- status

        do! http.Response.WriteAsync id
    }

    static member Start(id: string) : Task<Backend> = task {
        let backend = new Backend(id, Ports.free ())
        do! backend.Begin()
        return backend
    }

    member _.Id = id
    member _.Url = $"http://127.0.0.1:{port}"
    member _.Requests = Volatile.Read &requests

    /// What it answers to requests, and how long it takes.
    member _.Answers(code: int, after: TimeSpan) =
        status <- code
        delay <- after

    /// Takes the port.
    member _.Begin() : Task = task {
        let builder = WebApplication.CreateEmptyBuilder(WebApplicationOptions())

        builder.WebHost
            .UseKestrelCore()
            .ConfigureKestrel(fun options -> options.Listen(IPAddress.Loopback, port))
        |> ignore

        let started = builder.Build()
        started.Run(RequestDelegate answer)
        do! started.StartAsync()
        app <- Some started
    }

    /// Cuts every connection and leaves the port.
    member _.Kill() : Task = task {
        match app with
        | Some running ->
            app <- None
            do! running.StopAsync(CancellationToken true)
            do! running.DisposeAsync()
        | None -> ()
    }

    interface IAsyncDisposable with
        member this.DisposeAsync() = ValueTask(this.Kill())
