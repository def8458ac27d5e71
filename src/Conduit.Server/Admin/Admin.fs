namespace Conduit.Server

open System
open System.Net
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Builder
open Microsoft.AspNetCore.Hosting
open Microsoft.AspNetCore.Http
open Microsoft.Extensions.DependencyInjection
open Microsoft.Extensions.Hosting
open Microsoft.Extensions.Logging
open Conduit

/// The admin port.
[<Sealed>]
type Admin private (app: WebApplication) =

    static let build (endPoint: IPEndPoint) (loggers: ILoggerFactory) =
        let builder = WebApplication.CreateEmptyBuilder(WebApplicationOptions())
        builder.Services.AddRoutingCore().AddSingleton(loggers) |> ignore
        builder.Services.AddSingleton<IHostLifetime>(NoLifetime()) |> ignore

        builder.WebHost
            .UseKestrelCore()
            .ConfigureKestrel(fun options ->
                options.AddServerHeader <- false
                options.Limits.MaxRequestBodySize <- AdminPipeline.largestBody
                options.Listen endPoint)
        |> ignore

        builder.Build()

    static let serve (app: WebApplication) access loggers (routes: AdminRoute list) : Task<Admin> = task {
        let log = Log loggers

        // Before routing, so that what it refuses is the same for every path.
        app.Use(fun (next: RequestDelegate) -> RequestDelegate(AdminPipeline.run access log next))
        |> ignore

        app.UseRouting() |> ignore

        for route in routes do
            app.MapMethods(route.Pattern, route.Methods, RequestDelegate route.Handle)
            |> ignore

        do! app.StartAsync()
        return new Admin(app)
    }

    /// Binds and begins to serve everything to those that `access` lets in.
    static member Start
        (endPoint: IPEndPoint, access: AdminAccess, ports: ControlPorts, loggers: ILoggerFactory)
        : Task<Admin> =
        let app = build endPoint loggers

        AdminRoutes.page @ AdminRoutes.all ports app.Lifetime.ApplicationStopping
        |> serve app access loggers

    /// Where it is reached.
    member _.Url = app.Urls |> Seq.head

    member _.Stop(deadline: CancellationToken) : Task = app.StopAsync deadline

    interface IAsyncDisposable with
        member _.DisposeAsync() = app.DisposeAsync()
