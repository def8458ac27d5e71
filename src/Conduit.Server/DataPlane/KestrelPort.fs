namespace Conduit.Server

open System
open System.Diagnostics
open System.Text
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Builder
open Microsoft.AspNetCore.Hosting
open Microsoft.AspNetCore.Hosting.Server
open Microsoft.AspNetCore.Server.Kestrel.Core
open Microsoft.Extensions.DependencyInjection
open Microsoft.Extensions.Logging
open Microsoft.Extensions.Options
open Conduit

/// Kestrel as every traffic port has it.
[<RequireQualifiedAccess>]
module KestrelPort =

    /// A line that is too long for us, but not for Kestrel, is answered in `Proxy`: with HTTP/2 Kestrel would
    /// reset its stream. Of larger fields it answers up to twice as much, before it gives a connection of
    /// HTTP/2 up, and so must their compression.
    let limit (heads: HeadLimits) (clients: ClientLimits) (limits: KestrelServerLimits) =
        limits.MaxRequestLineSize <- max heads.Line (2 * heads.Fields)
        limits.MaxRequestHeadersTotalSize <- heads.Fields
        limits.MaxRequestHeaderCount <- heads.Count
        limits.Http2.MaxRequestHeaderFieldSize <- 2 * heads.Fields
        limits.Http3.MaxRequestHeaderFieldSize <- 2 * heads.Fields
        limits.RequestHeadersTimeout <- clients.HeaderTimeout
        limits.KeepAliveTimeout <- clients.KeepAlive

    let configure (heads: HeadLimits) (clients: ClientLimits) (options: KestrelServerOptions) =
        options.AddServerHeader <- false
        // Bodies are bounded by the exchange: it tells a stream that is quiet from a client that is slow.
        options.Limits.MaxRequestBodySize <- Nullable()
        options.Limits.MinRequestBodyDataRate <- null
        options.Limits.MinResponseDataRate <- null
        options.RequestHeaderEncodingSelector <- fun _ -> Encoding.Latin1
        options.ResponseHeaderEncodingSelector <- fun _ -> Encoding.Latin1

        limit heads clients options.Limits
        Http2Limits.set options.Limits.Http2

    /// Binds what `configure` names, over the transport that `add` adds, and begins to serve. Requests that
    /// Kestrel refuses by itself are counted in `refused`.
    let start
        (configure: KestrelServerOptions -> unit)
        (add: IWebHostBuilder -> unit)
        (refused: Rejections)
        (loggers: ILoggerFactory)
        (application: ProxyApplication)
        : Task<IServer * KestrelServerLimits> = task {
        // Only for the services that Kestrel asks for; nothing is hosted.
        let builder = WebApplication.CreateEmptyBuilder(WebApplicationOptions())
        builder.WebHost.UseKestrelCore() |> ignore
        add builder.WebHost

        let services =
            builder.Services
                .AddSingleton<ILoggerFactory>(loggers)
                .AddSingleton<DiagnosticSource>(Refusals refused)
                .Configure<KestrelServerOptions>(configure)
                .BuildServiceProvider()

        let server = services.GetRequiredService<IServer>()

        let limits =
            services.GetRequiredService<IOptions<KestrelServerOptions>>().Value.Limits

        do! server.StartAsync(application, CancellationToken.None)
        return server, limits
    }
