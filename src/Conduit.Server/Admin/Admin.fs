namespace Conduit.Server

open System
open System.Collections.Generic
open System.Net
open System.Net.Sockets
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Builder
open Microsoft.AspNetCore.Hosting
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets
open Microsoft.Extensions.DependencyInjection
open Microsoft.Extensions.Hosting
open Microsoft.Extensions.Logging
open Conduit

/// The admin port.
[<Sealed>]
type Admin private (app: WebApplication, sockets: List<Socket>) =

    static let build (endPoint: IPEndPoint) (sockets: List<Socket>) (loggers: ILoggerFactory) =
        let builder = WebApplication.CreateEmptyBuilder(WebApplicationOptions())
        builder.Services.AddRoutingCore().AddSingleton(loggers) |> ignore
        builder.Services.AddSingleton<IHostLifetime>(NoLifetime()) |> ignore

        builder.WebHost
            .UseKestrelCore()
            .ConfigureKestrel(fun options ->
                options.AddServerHeader <- false
                options.Limits.MaxRequestBodySize <- AdminPipeline.largestBody
                options.Listen endPoint)
            .UseSockets(fun options ->
                options.CreateBoundListenSocket <-
                    fun endPoint ->
                        let socket =
                            ListenSockets.OfProcess.Bind(
                                endPoint,
                                SocketTransportOptions.CreateDefaultBoundListenSocket
                            )

                        sockets.Add socket
                        socket)
        |> ignore

        builder.Build()

    static let serve (app: WebApplication) sockets access loggers (routes: AdminRoute list) : Task<Admin> =
        task {
            let log = Log loggers

            // Before routing, so that what it refuses is the same for every path.
            app.Use(fun (next: RequestDelegate) -> RequestDelegate(AdminPipeline.run access log next))
            |> ignore

            app.UseRouting() |> ignore

            for route in routes do
                app.MapMethods(route.Pattern, route.Methods, RequestDelegate route.Handle)
                |> ignore

            do! app.StartAsync()
            return new Admin(app, sockets)
        }

    /// Binds and begins to serve everything to those that `access` lets in.
    static member Start
        (endPoint: IPEndPoint, access: AdminAccess, ports: ControlPorts, loggers: ILoggerFactory)
        : Task<Admin> =
        let sockets = List<Socket>()
        let app = build endPoint sockets loggers

        AdminRoutes.page @ AdminRoutes.all ports app.Lifetime.ApplicationStopping
        |> serve app sockets access loggers

    /// Where it is reached.
    member _.Url = app.Urls |> Seq.head

    /// Leaves the port to the other processes that have it, if there are any.
    member _.Leave() =
        for socket in sockets do
            ListenSockets.OfProcess.Leave socket

        sockets.Clear()

    member _.Stop(deadline: CancellationToken) : Task = app.StopAsync deadline

    interface IAsyncDisposable with
        member this.DisposeAsync() =
            this.Leave()
            app.DisposeAsync()
