namespace Conduit.Server.Ctl

open System
open System.IO
open System.Text.Json
open Spectre.Console
open Conduit
open Conduit.Server

/// Exit codes of `conduit ctl`.
[<RequireQualifiedAccess>]
module ExitCode =
    let ok = 0
    /// Refused by the admin API, or a wrong command line.
    let refused = 1
    let unreachable = 2
    /// A wait took longer than it may.
    let timeout = 3
    /// By a signal, as shells count it.
    let interrupted = 130

/// Where `conduit ctl` writes: tables and answers to one side, complaints to the other.
[<Sealed>]
type CtlConsole(out: IAnsiConsole, plain: TextWriter, errors: TextWriter) =

    static let indented =
        JsonSerializerOptions(WriteIndented = true, Encoder = Wire.options.Encoder)

    /// The terminal of the process. Where there is none, tables are as wide as their content needs, and
    /// have no colours.
    static member OfProcess() =
        let ansi =
            if Console.IsOutputRedirected then
                AnsiConsole.Create(
                    AnsiConsoleSettings(
                        Ansi = AnsiSupport.No,
                        ColorSystem = ColorSystemSupport.NoColors,
                        Out = AnsiConsoleOutput Console.Out
                    )
                )
            else
                AnsiConsole.Console

        if Console.IsOutputRedirected then
            ansi.Profile.Width <- 500

        CtlConsole(ansi, Console.Out, Console.Error)

    member _.Ansi = out
    member _.IsTerminal = out.Profile.Out.IsTerminal

    member _.Line(text: string) = plain.WriteLine text

    member _.Json(text: string) =
        use document = JsonDocument.Parse text
        plain.WriteLine(JsonSerializer.Serialize(document.RootElement, indented))

    member _.Table(table: Table) = out.Write table

    member _.Complain(text: string) = errors.WriteLine text

    /// Tells why it did not work; gives the exit code that goes with it.
    member this.Fail(adminUrl: Uri, failure: ApiFailure) =
        match failure with
        | ApiFailure.Unreachable reason ->
            this.Complain $"cannot reach {adminUrl.GetLeftPart UriPartial.Authority}: {reason}"
            ExitCode.unreachable
        | ApiFailure.Foreign status ->
            this.Complain
                $"{adminUrl.GetLeftPart UriPartial.Authority} answered {status}, and not as an admin port does"

            ExitCode.refused
        | ApiFailure.Refused problem ->
            this.Complain $"{problem.Title}: {problem.Detail}"

            for fault in problem.Faults |> Option.defaultValue [||] do
                this.Complain $"  {fault.Where}: {fault.What}; {fault.Remedy}"

            ExitCode.refused

    member this.Faults(faults: Fault list) =
        for fault in faults do
            this.Complain(Fault.render fault)

        ExitCode.refused
