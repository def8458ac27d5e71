namespace Conduit.Server

open System
open System.Runtime.InteropServices
open System.Threading.Tasks
open Microsoft.Extensions.Hosting

/// Signals that ask the program to stop.
[<Sealed>]
type Signals() =

    /// SIGUSR1 as the system numbers it, where it has one.
    static let user: PosixSignal option =
        if OperatingSystem.IsLinux() then Some(enum 10)
        elif OperatingSystem.IsMacOS() then Some(enum 30)
        else None

    static let on signal (call: unit -> unit) : IDisposable =
        PosixSignalRegistration.Create(
            signal,
            fun context ->
                context.Cancel <- true
                call ()
        )

    let first = TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)

    // Only the first signal is taken; the default action of the next one ends the process.
    let onSignal (context: PosixSignalContext) = context.Cancel <- first.TrySetResult()

    let registrations = [
        for signal in [ PosixSignal.SIGTERM; PosixSignal.SIGINT; PosixSignal.SIGQUIT ] do
            PosixSignalRegistration.Create(signal, onSignal)
    ]

    /// Completes at the first signal. A second one ends the process at once.
    member _.First = first.Task

    /// Calls on each SIGHUP, until what it gives is disposed.
    member _.OnHangUp(call: unit -> Task) : IDisposable = on PosixSignal.SIGHUP (call >> ignore)

    /// Calls on each SIGUSR1, which would otherwise end the process, until what it gives is disposed.
    member _.OnUser(call: unit -> unit) : IDisposable | null =
        match user with
        | Some signal -> on signal call
        | None -> null

    interface IDisposable with
        member _.Dispose() =
            for registration in registrations do
                registration.Dispose()

/// Leaves signals to the program: its ports must go on answering while requests drain, and several
/// hosts that share a process would each stop on their own.
[<Sealed>]
type NoLifetime() =
    interface IHostLifetime with
        member _.WaitForStartAsync _ = Task.CompletedTask
        member _.StopAsync _ = Task.CompletedTask
