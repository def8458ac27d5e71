namespace Conduit.SystemTests

open System
open System.Collections.Concurrent
open System.Diagnostics
open System.IO
open System.Runtime.InteropServices
open System.Threading

module private Native =
    [<DllImport("libc", SetLastError = true)>]
    extern int kill(int pid, int signal)

/// A signal as the kernel numbers it.
[<RequireQualifiedAccess>]
type Signal =
    | HangUp = 1
    | Interrupt = 2
    | Kill = 9
    | User = 10
    | Terminate = 15

/// What a process that has ended left.
type Ended = {
    ExitCode: int
    /// Lines of standard output.
    Output: string list
    /// Lines of standard error.
    Errors: string list
}

/// A child process with its output, ended by its id when disposed: also when a test fails.
[<Sealed>]
type Child private (running: Process, name: string) =

    static let live = ConcurrentDictionary<int, Process>()

    // A run that is stopped half-way disposes nothing; its children must not outlive it all the same.
    static do
        AppDomain.CurrentDomain.ProcessExit.Add(fun _ ->
            for child in live.Values do
                child.Kill())

    let output = ConcurrentQueue<string>()
    let errors = ConcurrentQueue<string>()

    let collect (into: ConcurrentQueue<string>) (line: string | null) =
        match line with
        | null -> ()
        | line -> into.Enqueue line

    /// `environment` is laid over that of the tests; a value of `None` takes a variable away.
    static member Start(program: string, arguments: string list, environment: (string * string option) list) =
        let start =
            ProcessStartInfo(program, arguments, RedirectStandardOutput = true, RedirectStandardError = true)

        for key, value in environment do
            match value with
            | Some value -> start.Environment[key] <- value
            | None -> start.Environment.Remove key |> ignore

        let child =
            new Child(new Process(StartInfo = start), Path.GetFileName program |> string)

        child.Begin()
        child

    /// Runs a program to its end.
    static member Run(program, arguments, environment, deadline) = task {
        use child = Child.Start(program, arguments, environment)
        return! child.End deadline
    }

    member private _.Begin() =
        running.OutputDataReceived.Add(fun line -> collect output line.Data)
        running.ErrorDataReceived.Add(fun line -> collect errors line.Data)
        running.Start() |> ignore
        live[running.Id] <- running
        running.BeginOutputReadLine()
        running.BeginErrorReadLine()

    member _.Id = running.Id

    member _.HasEnded = running.HasExited

    /// The last lines of both outputs, for the message of a test that failed.
    member _.Tail =
        Seq.append output errors
        |> Seq.toList
        |> List.rev
        |> List.truncate 30
        |> List.rev

    member _.Send(signal: Signal) =
        if not running.HasExited && Native.kill (running.Id, int signal) <> 0 then
            failwith $"cannot signal {name} ({running.Id}): error {Marshal.GetLastPInvokeError()}"

    /// Waits for the end, and for the last of the output.
    member this.End(deadline: TimeSpan) = task {
        use limit = new CancellationTokenSource(deadline)

        try
            do! running.WaitForExitAsync limit.Token
        with :? OperationCanceledException ->
            let tail = String.concat "\n" this.Tail
            failwith $"{name} has not ended after {deadline.TotalSeconds} s; its last output:\n{tail}"

        return {
            ExitCode = running.ExitCode
            Output = List.ofSeq output
            Errors = List.ofSeq errors
        }
    }

    /// Waits until it accepts connections on the port; says what it wrote if it ends instead.
    member this.Listening(port: int) = task {
        let! elapsed =
            Eventually.holds
                $"{name} accepts connections on port {port}"
                (TimeSpan.FromSeconds 20.0)
                (fun () -> task {
                    this.RequireRunning()
                    return! Eventually.answers port
                })

        return elapsed
    }

    member this.RequireRunning() =
        if running.HasExited then
            let tail = String.concat "\n" this.Tail
            failwith $"{name} ended with exit code {running.ExitCode}; its last output:\n{tail}"

    interface IDisposable with
        member _.Dispose() =
            running.Kill()
            running.WaitForExit()
            live.TryRemove running.Id |> ignore
            running.Dispose()
