namespace Conduit.Server.Tests

open System
open System.IO
open System.Threading
open System.Threading.Tasks
open Spectre.Console
open Conduit.Server.Ctl

/// What a command of `conduit ctl` did.
type CtlResult = {
    Code: int
    Out: string
    Errors: string
}

/// A console for commands under test, as wide as it is told.
[<Sealed>]
type CtlScreen(width: int) =
    let written = new StringWriter()
    let complained = new StringWriter()
    let out = TextWriter.Synchronized written
    let errors = TextWriter.Synchronized complained

    /// A synchronized writer locks itself, so that it can be read while a command still writes.
    static let read (writer: TextWriter) (inner: StringWriter) = lock writer (fun () -> string inner)

    let ansi =
        AnsiConsole.Create(
            AnsiConsoleSettings(
                Ansi = AnsiSupport.No,
                ColorSystem = ColorSystemSupport.NoColors,
                Out = AnsiConsoleOutput out
            )
        )

    do ansi.Profile.Width <- width
    member _.Console = CtlConsole(ansi, out, errors)
    member _.Out = read out written
    member _.Errors = read errors complained

/// Running commands.
[<RequireQualifiedAccess>]
module CtlRun =

    /// Runs a command with this environment.
    let runIn (environment: (string * string) list) (argv: string list) : Task<CtlResult> = task {
        let screen = CtlScreen 200

        let variable name =
            environment |> List.tryFind (fst >> (=) name) |> Option.map snd

        let! code =
            Ctl.run screen.Console variable CancellationToken.None (List.toArray argv)
            |> Eventually.finishes (String.Join(' ', argv))

        return {
            Code = code
            Out = screen.Out
            Errors = screen.Errors
        }
    }

    /// Runs a command against an admin port.
    let run (port: AdminPort) (line: string) : Task<CtlResult> =
        runIn [ "CONDUIT_ADMIN_URL", port.Url ] (line.Split ' ' |> Array.toList)
