module Conduit.Server.Program

open System
open System.Threading
open System.Threading.Tasks
open Argu
open Conduit
open Conduit.Server.Ctl
open Conduit.Server.Demo
open Conduit.Server.Sample

let private environment (name: string) =
    Environment.GetEnvironmentVariable name |> Option.ofObj

let private parser =
    ArgumentParser.Create<Arguments>(
        programName = "conduit",
        errorHandler = ExceptionExiter(),
        checkStructure = false
    )

let private backend (parsed: ParseResults<BackendArgument>) : Task<int> =
    match
        BackendFlags.ofResults parsed
        |> BackendSettings.from Environment.MachineName environment
    with
    | Ok settings -> SampleBackend.run settings
    | Error faults -> Task.FromResult(Complaint.settings faults)

/// The admin port from the command line, until it is done or a signal comes.
let private ctl (argv: string[]) : Task<int> = task {
    use signals = new Signals()
    use leave = new CancellationTokenSource()
    let command = Ctl.run (CtlConsole.OfProcess()) environment leave.Token argv
    let! _ = Task.WhenAny(command, signals.First)
    leave.Cancel()
    return! command
}

let private check (parsed: ParseResults<CheckArgument>) : Task<int> =
    match parsed.TryGetResult CheckArgument.Health with
    | Some url -> HealthQuestion.ask url
    | None ->
        let source =
            Run.source (parsed.TryGetResult CheckArgument.Config) (Overlay.ofEnvironment environment)

        Check.run source (parsed.Contains CheckArgument.Print) (parsed.TryGetResult CheckArgument.Explain)
        |> Task.FromResult

let private balancerSource (parsed: ParseResults<Arguments>) =
    Overlay.ofEnvironment environment @ Arguments.overlay parsed
    |> Run.source (parsed.TryGetResult Arguments.Config)

let private dispatch (parsed: ParseResults<Arguments>) : Task<int> =
    match parsed.TryGetSubCommand() with
    | _ when not (Arguments.misplaced parsed).IsEmpty ->
        Task.FromResult(Complaint.settings (Arguments.misplaced parsed))
    | Some(Demo arguments) ->
        Demo.run (DemoArguments.overlay arguments) (not (arguments.Contains DemoArgument.No_Load))
    | Some(Check arguments) -> check arguments
    | Some(Backend arguments) -> backend arguments
    | _ when parsed.Contains Arguments.Version ->
        printfn "conduit %s" Help.version
        Task.FromResult 0
    | _ ->
        balancerSource parsed
        |> Run.balancer environment (parsed.TryGetResult Arguments.Take_Over)

/// What else is wrong with a command line of which a part is not understood.
let private otherFaults argv =
    try
        let parsed = parser.ParseCommandLine(argv, ignoreUnrecognized = true)

        match parsed.TryGetSubCommand() with
        | Some _ -> []
        | None ->
            match balancerSource parsed |> ConfigSource.load with
            | Ok _ -> []
            | Error faults -> faults
    with :? ArguParseException -> []

[<EntryPoint>]
let main argv =
    // Read by the runtime when the first socket is made: completions run on the thread that saw them.
    Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1")

    let argv = Arguments.normalize argv

    try
        let running =
            // Has a parser of its own, so that its help is its own too.
            if Array.tryHead argv = Some "ctl" then
                ctl argv[1..]
            else
                parser.ParseCommandLine argv |> dispatch

        running.GetAwaiter().GetResult()
    with
    | :? ArguParseException as error when error.ErrorCode = ErrorCode.HelpText ->
        printfn "%s" error.Message
        printfn "%s" Help.examples
        0
    | :? ArguParseException as error -> Complaint.commandLine parser error.Message (otherFaults argv)
