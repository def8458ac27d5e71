namespace Conduit.Server.Ctl

open System
open System.Collections.Concurrent
open System.Threading
open System.Threading.Tasks
open Spectre.Console
open Conduit
open Conduit.Server

/// `conduit ctl watch`: figures as they change, and what happens.
[<RequireQualifiedAccess>]
module Watch =

    /// Events that are kept on the screen.
    let private kept = 8

    let private period = TimeSpan.FromSeconds 1.0

    let private belongs (settings: CtlSettings) (event: Wire.Event) =
        event.Pool |> Option.forall ((=) settings.Pool)

    /// What fits: the heading, the rows that are worth most, the last events.
    let private screen (console: CtlConsole) (backends: Wire.Backend list) (events: string seq) =
        let room = max 3 (console.Ansi.Profile.Height - kept - 6)

        let shown =
            if backends.Length <= room then
                backends
            else
                backends
                |> List.sortBy (fun backend -> backend.Available, -backend.InFlight)
                |> List.truncate room

        let more =
            match backends.Length - shown.Length with
            | 0 -> ""
            | hidden -> $"and {hidden} more\n"

        Rows(CtlTables.backends shown, Text(more + String.Join('\n', events)))

    /// Draws until `over` is cancelled, or the server cannot be reached.
    let private draw
        (console: CtlConsole)
        (client: ApiClient)
        (settings: CtlSettings)
        lines
        (over: CancellationToken)
        = task {
        let mutable result = Ok()

        do!
            console.Ansi
                .Live(Text "")
                .StartAsync(fun live -> task {
                    try
                        while not over.IsCancellationRequested && Result.isOk result do
                            match! client.Backends settings.Pool with
                            | Ok backends -> live.UpdateTarget(screen console backends lines)
                            | Error failure -> result <- Error failure

                            do! Task.Delay(period, over)
                    with :? OperationCanceledException ->
                        ()
                })

        return result
    }

    /// Ends with a line of its own, not with a failure, when the user leaves.
    let private ending (console: CtlConsole) (settings: CtlSettings) (leave: CancellationToken) result =
        match result with
        | _ when leave.IsCancellationRequested -> ExitCode.ok
        | Error failure -> console.Fail(settings.AdminUrl, failure)
        | Ok() ->
            console.Complain "the admin port has ended the stream"
            ExitCode.unreachable

    /// A line for each event, or its JSON.
    let private plain (console: CtlConsole) (client: ApiClient) settings (leave: CancellationToken) = task {
        let tell (event: Answered<Wire.Event>) =
            if belongs settings event.Value then
                console.Line(
                    if settings.Json then
                        event.Text
                    else
                        CtlTables.event event.Value
                )

        let! result = client.Events(tell, leave)
        return ending console settings leave result
    }

    let private live (console: CtlConsole) (client: ApiClient) settings (leave: CancellationToken) = task {
        use over = CancellationTokenSource.CreateLinkedTokenSource leave
        let lines = ConcurrentQueue<string>()

        let keep (event: Answered<Wire.Event>) =
            if belongs settings event.Value then
                lines.Enqueue(CtlTables.event event.Value)

                if lines.Count > kept then
                    lines.TryDequeue() |> ignore

        let drawing = draw console client settings lines over.Token
        let hearing = client.Events(keep, over.Token)
        let! _ = Task.WhenAny(drawing, hearing)
        over.Cancel()
        let! drawn = drawing
        let! heard = hearing
        return ending console settings leave (drawn |> Result.bind (fun () -> heard))
    }

    /// A live table on a terminal, else lines; until `leave` is cancelled.
    let run (console: CtlConsole) client (settings: CtlSettings) leave : Task<int> =
        if console.IsTerminal && not settings.Json then
            live console client settings leave
        else
            plain console client settings leave
