namespace Conduit

open System.Collections.Generic
open System.Threading
open System.Threading.Tasks

/// IMPURE: a signal that can be given again. One request that waits for a place.
[<Sealed>]
type Waiter internal () =

    [<VolatileField>]
    let mutable signal =
        TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)

    /// Its place in the line, until it leaves.
    member val internal Node: LinkedListNode<Waiter> voption = ValueNone with get, set

    /// Ends once there may be a place, since `Rearm`.
    member _.Called: Task = signal.Task

    member internal _.Call() = signal.TrySetResult() |> ignore

    /// To be done before looking for a place: a call that comes after the look is not missed then.
    member _.Rearm() =
        if signal.Task.IsCompleted then
            signal <- TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)

/// IMPURE: a lock. The requests of a pool that wait for a place, the one that came first at the head. Only
/// pools with a limit have one, and only requests that wait, or may have to, touch its lock. Survives
/// snapshots like a gauge does.
[<Sealed>]
type WaitingLine() =
    let gate = Lock()
    let line = LinkedList<Waiter>()
    let mutable count = 0

    let callHead () =
        match line.First with
        | null -> ()
        | head -> head.Value.Call()

    let locked (work: unit -> 'a) =
        gate.Enter()

        try
            work ()
        finally
            gate.Exit()

    /// Requests that wait.
    member _.Count = Volatile.Read &count

    /// Joins the line unless `most` wait already; null then.
    member _.TryJoin(most: int) : Waiter | null =
        locked (fun () ->
            if line.Count >= most then
                null
            else
                let waiter = Waiter()
                waiter.Node <- ValueSome(line.AddLast waiter)
                Volatile.Write(&count, line.Count)
                waiter)

    /// Leaves the line, with a place or without one. Who is next may look: there may be another place.
    member _.Leave(waiter: Waiter) =
        locked (fun () ->
            match waiter.Node with
            | ValueNone -> ()
            | ValueSome node ->
                line.Remove node
                waiter.Node <- ValueNone

            Volatile.Write(&count, line.Count)
            callHead ())

    /// A place was given back.
    member _.CallHead() =
        if Volatile.Read &count > 0 then
            locked callHead

    /// The backends are no longer what they were: everybody looks again.
    member _.CallAll() =
        if Volatile.Read &count > 0 then
            locked (fun () ->
                for waiter in line do
                    waiter.Call())
