namespace Conduit.Server.Ctl

open System
open System.Threading
open System.Threading.Tasks
open Argu
open Conduit
open Conduit.Server

/// `conduit ctl`: sees and steers a running Conduit through its admin port.
[<RequireQualifiedAccess>]
module Ctl =

    let private examples =
        """
EXAMPLES:

    What is going on:
        conduit ctl status
        conduit ctl backends --pool web
        conduit ctl watch

    Take a backend out, and know when nobody uses it any more:
        conduit ctl drain app-1 --wait --timeout 2m
        conduit ctl remove app-1

    Give a backend a larger share, or none for a while:
        conduit ctl weight app-2 5
        conduit ctl not-ready app-2
        conduit ctl ready app-2

    A Conduit on another machine:
        CONDUIT_TOKEN=file:/run/secrets/conduit conduit ctl status --admin-url https://conduit.internal

EXIT CODES:

    0  done
    1  refused by the admin port, or a wrong command line
    2  the admin port cannot be reached
    3  --wait took longer than --timeout
"""

    let private parser =
        ArgumentParser.Create<CtlArgument>(
            programName = "conduit ctl",
            errorHandler = ExceptionExiter(),
            checkStructure = false
        )

    let private dispatch console client settings (parsed: ParseResults<CtlArgument>) leave : Task<int> =
        let id (named: ParseResults<BackendArgument>) = named.GetResult BackendArgument.Id

        match parsed.GetSubCommand() with
        | CtlArgument.Backends _ -> CtlCommands.backends console client settings
        | CtlArgument.Drain parsed -> CtlCommands.drain console client settings parsed leave
        | CtlArgument.Ready named ->
            CtlCommands.change console client settings (id named) {| state = "ready" |}
        | CtlArgument.Not_Ready named ->
            CtlCommands.change console client settings (id named) {| state = "not-ready" |}
        | CtlArgument.Disable named ->
            CtlCommands.change console client settings (id named) {| state = "disabled" |}
        | CtlArgument.Weight parsed -> CtlCommands.weight console client settings parsed
        | CtlArgument.Add parsed -> CtlCommands.add console client settings parsed
        | CtlArgument.Remove named -> CtlCommands.remove console client settings (id named)
        | CtlArgument.Reload _ -> CtlCommands.reload console client settings
        | CtlArgument.Diff _ -> CtlCommands.diff console client settings
        | CtlArgument.Watch _ -> Watch.run console client settings leave
        | _ -> CtlCommands.status console client settings

    /// Reads the words after `conduit ctl` and does what they say, until it is done or `leave` is
    /// cancelled. Gives the exit code.
    let run
        (console: CtlConsole)
        (variable: string -> string option)
        (leave: CancellationToken)
        (argv: string[])
        : Task<int> = task {
        try
            let parsed = parser.ParseCommandLine argv

            match CtlSettings.create variable parsed with
            | Error faults -> return console.Faults faults
            | Ok settings ->
                use client = new ApiClient(settings.AdminUrl, settings.Token)
                return! dispatch console client settings parsed leave
        with
        | :? OperationCanceledException when leave.IsCancellationRequested -> return ExitCode.interrupted
        | :? ArguParseException as help when help.ErrorCode = ErrorCode.HelpText ->
            console.Line(help.Message + Environment.NewLine + examples)
            return ExitCode.ok
        | :? ArguParseException as error ->
            console.Complain(Complaint.unreadable parser error.Message)
            console.Complain "conduit ctl --help shows all commands"
            return ExitCode.refused
    }
