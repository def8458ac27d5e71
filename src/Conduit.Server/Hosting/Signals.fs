namespace Conduit.Server

open System
open System.Runtime.InteropServices
open System.Threading.Tasks
open Microsoft.Extensions.Hosting

/// Signals that ask the program to stop.
[<Sealed>]
type Signals() =
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
    member _.OnHangUp(call: unit -> Task) : IDisposable =
        PosixSignalRegistration.Create(
            PosixSignal.SIGHUP,
            fun context ->
                context.Cancel <- true
                call () |> ignore
        )

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
