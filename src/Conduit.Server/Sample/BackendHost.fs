namespace Conduit.Server.Sample

open System
open System.IO
open System.Net
open System.Net.Sockets
open System.Text
open System.Threading
open System.Threading.Tasks
open Conduit.Server
open Microsoft.AspNetCore.Builder
open Microsoft.AspNetCore.Connections
open Microsoft.AspNetCore.Hosting
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Server.Kestrel.Core
open Microsoft.Extensions.DependencyInjection
open Microsoft.Extensions.Hosting
open Microsoft.Extensions.Logging

/// A sample backend that accepts connections until it is disposed of.
[<Sealed>]
type RunningBackend internal (app: WebApplication, state: BackendState, host: IPAddress) =

    let port = Uri(Seq.head app.Urls).Port

    let url =
        // Nobody can connect to "every address"; loopback is one of them.
        let address =
            if host.Equals IPAddress.Any then
                IPAddress.Loopback
            elif host.Equals IPAddress.IPv6Any then
                IPAddress.IPv6Loopback
            else
                host

        $"http://{IPEndPoint(address, port)}"

    let stop =
        lazy
            (task {
                do! app.StopAsync()
                do! app.DisposeAsync()
            }
            :> Task)

    member _.Name = state.Name

    /// The port that it listens on, also when 0 was asked for.
    member _.Port = port

    /// Where a client on this machine reaches it, without a slash at the end.
    member _.Url = url

    /// Requests begun and not yet over, WebSockets included.
    member _.InFlight = state.InFlight

    interface IAsyncDisposable with
        /// Takes no new connection, lets requests in flight finish for at most 10 s, then ends them.
        member _.DisposeAsync() = ValueTask stop.Value

[<RequireQualifiedAccess>]
module SampleBackend =

    let private drainTime = TimeSpan.FromSeconds 10.0

    /// A backend that others are tested with must never be the one that says no.
    let private configure (settings: BackendSettings) (options: KestrelServerOptions) =
        options.AddServerHeader <- false
        options.Limits.MaxRequestBodySize <- Nullable()
        options.Limits.MinRequestBodyDataRate <- null
        options.Limits.MinResponseDataRate <- null
        options.Limits.MaxRequestHeaderCount <- 10_000
        // Neither may be larger than the request buffer, which is 1 MiB.
        options.Limits.MaxRequestHeadersTotalSize <- 1 <<< 20
        options.Limits.MaxRequestLineSize <- 1 <<< 20
        // One character for each byte, whatever its encoding was: nothing is refused and nothing lost.
        options.RequestHeaderEncodingSelector <- fun _ -> Encoding.Latin1
        options.Listen(settings.Host, settings.Port)

    /// Counts the request. A client that left is no fault of anybody's, and nobody reads the answer.
    let private attend (state: BackendState) (ctx: HttpContext) (next: RequestDelegate) : Task = task {
        state.Enter()

        try
            try
                do! next.Invoke ctx
            with
            | :? ConnectionResetException -> ()
            | :? OperationCanceledException when ctx.RequestAborted.IsCancellationRequested -> ()
        finally
            state.Leave()
    }

    let private build (settings: BackendSettings) =
        // The empty builder: no configuration from files or ASPNETCORE_ variables can change anything.
        let builder = WebApplication.CreateEmptyBuilder(WebApplicationOptions())
        builder.WebHost.UseKestrelCore().ConfigureKestrel(configure settings) |> ignore

        builder.Services.AddRoutingCore().AddSingleton<IHostLifetime>(NoLifetime())
        |> ignore

        builder.Services.Configure(fun (host: HostOptions) -> host.ShutdownTimeout <- drainTime)
        |> ignore

        builder.Logging
            .SetMinimumLevel(LogLevel.Warning)
            // It would tell at length what `start` raises anyway.
            .AddFilter("Microsoft.Extensions.Hosting", LogLevel.None)
            .AddConsole(fun console -> console.LogToStandardErrorThreshold <- LogLevel.Trace)
        |> ignore

        let app = builder.Build()

        let state =
            BackendState(settings.Name, settings.Delay, app.Lifetime.ApplicationStopping)

        app.Use(Func<HttpContext, RequestDelegate, Task>(attend state)) |> ignore
        app.UseWebSockets() |> ignore
        BackendEndpoints.map state app
        app, state

    /// Starts a backend. It handles no signals, so any number of them fit in one process. Raises what
    /// Kestrel raises when it cannot listen.
    let start (settings: BackendSettings) : Task<RunningBackend> = task {
        let app, state = build settings

        try
            do! app.StartAsync()
            return new RunningBackend(app, state, settings.Host)
        with error ->
            do! app.DisposeAsync()
            return raise error
    }

    /// `conduit backend`: serves until SIGTERM or SIGINT, then stops gracefully; a second signal ends the
    /// process at once. The exit code is 0, or 2 when the port cannot be had; standard error then says why.
    let run (settings: BackendSettings) : Task<int> = task {
        use signals = new Signals()
        let endPoint = IPEndPoint(settings.Host, settings.Port)

        match! Binding.attempt "--port" endPoint (fun () -> start settings) with
        | Error fault -> return Complaint.port fault
        | Ok backend ->
            use _ = backend
            do! Console.Out.WriteLineAsync $"{backend.Name} listens on {settings.Host} port {backend.Port}"
            do! signals.First
            return 0
    }
