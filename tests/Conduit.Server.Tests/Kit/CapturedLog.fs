namespace Conduit.Server.Tests

open System
open System.Collections.Concurrent
open Microsoft.Extensions.Logging
open Conduit.Server

/// A line of the log.
type LogLine = { Level: LogLevel; Text: string }

[<Sealed>]
type private Capture(lines: ConcurrentQueue<LogLine>) =
    interface ILoggerProvider with
        member _.CreateLogger _ = {
            new ILogger with
                member _.IsEnabled _ = true
                member _.BeginScope _ = null

                member _.Log(level, _, state, error, render) =
                    let text = render.Invoke(state, error)

                    let text =
                        match error with
                        | null -> text
                        | error -> $"{text}\n{error}"

                    lines.Enqueue { Level = level; Text = text }
        }

    interface IDisposable with
        member _.Dispose() = ()

/// The log of a balancer, kept for the test to read.
[<Sealed>]
type CapturedLog() =
    let lines = ConcurrentQueue<LogLine>()

    let factory =
        LoggerFactory.Create(fun builder ->
            (Logging.filter Conduit.LogLevel.Debug builder).AddProvider(new Capture(lines))
            |> ignore)

    member _.Factory = factory
    member _.Lines = List.ofSeq lines

    /// The texts of lines that are warnings or worse.
    member this.Warnings =
        this.Lines
        |> List.filter (fun line -> line.Level >= LogLevel.Warning)
        |> List.map _.Text

    /// The texts of lines that say that the program itself is wrong.
    member this.Errors =
        this.Lines
        |> List.filter (fun line -> line.Level >= LogLevel.Error)
        |> List.map _.Text

    interface IDisposable with
        member _.Dispose() = factory.Dispose()
