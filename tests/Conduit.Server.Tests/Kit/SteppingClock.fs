namespace Conduit.Server.Tests

open System
open System.Threading
open System.Threading.Tasks

/// A timer of a `SteppingClock`: due once.
[<Sealed>]
type private StepTimer(call: unit -> unit, forget: StepTimer -> unit) =
    member _.Call() = call ()

    interface ITimer with
        member _.Change(_, _) = true
        member this.Dispose() = forget this

        member this.DisposeAsync() =
            forget this
            ValueTask.CompletedTask

/// A clock that moves when the test says so: each step ends the one delay that somebody waits for.
[<Sealed>]
type SteppingClock() =
    inherit TimeProvider()

    let gate = obj ()
    let mutable waiting: StepTimer list = []

    let forget timer =
        lock gate (fun () ->
            waiting <- waiting |> List.filter (fun other -> not (obj.ReferenceEquals(other, timer))))

    let isWaitedFor () =
        lock gate (fun () -> not waiting.IsEmpty)

    override _.CreateTimer(callback, state, _, _) =
        let timer = new StepTimer((fun () -> callback.Invoke state), forget)
        lock gate (fun () -> waiting <- timer :: waiting)
        timer

    /// Ends the delay, and waits until the next one begins: what was to happen between has happened.
    member _.Step() : Task = task {
        do! Eventually.holds "somebody waits for the clock" isWaitedFor

        let due =
            lock gate (fun () ->
                let due = waiting
                waiting <- []
                due)

        for timer in due do
            timer.Call()

        do! Eventually.holds "somebody waits for the clock again" isWaitedFor
    }
