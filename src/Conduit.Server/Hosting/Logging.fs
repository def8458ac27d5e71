namespace Conduit.Server

open Microsoft.Extensions.Logging
open Microsoft.Extensions.Logging.Console
open Conduit

/// The log on standard output: lines for people, or one JSON object a line.
[<RequireQualifiedAccess>]
module Logging =

    let private frameworkLevel level =
        match level with
        | LogLevel.Debug -> Microsoft.Extensions.Logging.LogLevel.Debug
        | LogLevel.Info -> Microsoft.Extensions.Logging.LogLevel.Information
        | LogLevel.Warning -> Microsoft.Extensions.Logging.LogLevel.Warning
        | LogLevel.Error -> Microsoft.Extensions.Logging.LogLevel.Error

    /// Framework categories are heard only from warnings on, and a host that cannot start not at all:
    /// whoever starts it hears of it, and knows what it means. What clients do with HTTP/2 is counted: Kestrel
    /// calls some of it critical, with a line for each frame of a flood.
    let filter (level: LogLevel) (builder: ILoggingBuilder) =
        let level = frameworkLevel level
        let framework = max level Microsoft.Extensions.Logging.LogLevel.Warning

        builder
            .SetMinimumLevel(level)
            .AddFilter("Microsoft", framework)
            .AddFilter("System", framework)
            .AddFilter(
                "Microsoft.AspNetCore.Server.Kestrel.Http2",
                Microsoft.Extensions.Logging.LogLevel.None
            )
            .AddFilter(
                "Microsoft.Extensions.Hosting.Internal.Host",
                Microsoft.Extensions.Logging.LogLevel.None
            )

    let configure format level (builder: ILoggingBuilder) =
        builder.ClearProviders() |> filter level |> ignore

        match format with
        | LogFormat.Text ->
            builder.AddSimpleConsole(fun options ->
                options.SingleLine <- true
                options.UseUtcTimestamp <- true
                options.TimestampFormat <- "yyyy-MM-ddTHH:mm:ss.fffZ "
                options.ColorBehavior <- LoggerColorBehavior.Default)
            |> ignore
        | LogFormat.Json ->
            builder.AddJsonConsole(fun options ->
                options.UseUtcTimestamp <- true
                options.TimestampFormat <- "yyyy-MM-ddTHH:mm:ss.fffZ")
            |> ignore

    let factory format level : ILoggerFactory =
        LoggerFactory.Create(fun builder -> configure format level builder)
