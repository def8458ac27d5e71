namespace Conduit.Server

open System
open Argu
open Conduit

/// Why a program did not start.
[<RequireQualifiedAccess>]
type StartFailure =
    | Configuration of Fault list
    | Port of Fault

/// Telling what is wrong, on standard error, and the exit code that goes with it.
[<RequireQualifiedAccess>]
module Complaint =

    let private tell (fault: Fault) = eprintfn "%s" (Fault.render fault)

    /// Each fault on a line of its own; exit code 1.
    let settings (faults: Fault list) =
        List.iter tell faults
        1

    /// A port that cannot be had; exit code 2.
    let port fault =
        tell fault
        2

    let start failure =
        match failure with
        | StartFailure.Configuration faults -> settings faults
        | StartFailure.Port fault -> port fault

    /// Why a command line cannot be read: the parser's own first line with the word that was perhaps meant.
    let unreadable (parser: ArgumentParser) (message: string) =
        let first = message.Split('\n')[0]

        let known =
            parser.GetSubCommandParsers()
            |> List.collect _.GetArgumentCases()
            |> List.append (parser.GetArgumentCases())
            |> List.collect _.CommandLineNames.Value

        let hint =
            match first.Split '\'' with
            | parts when parts.Length > 1 && not (List.contains parts[1] known) -> Names.hint known parts[1]
            | _ -> String.Empty

        first.Replace("ERROR: ", "").TrimEnd('.') + hint

    /// A command line that cannot be read, what is wrong with it besides, and where help is; exit code 1.
    let commandLine (parser: ArgumentParser) (message: string) (others: Fault list) =
        eprintfn "%s" (unreadable parser message)
        List.iter tell others
        eprintfn "conduit --help shows all flags"
        1
