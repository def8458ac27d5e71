namespace Conduit.Server

open System
open System.Collections.Concurrent
open Conduit

/// When something was last heard of a backend. The state holds what was heard: it changes only when
/// that does.
type BackendNote = {
    LastFailureAt: DateTimeOffset option
    LastCheckAt: DateTimeOffset option
    /// Of the last health check.
    LastCheckPassed: bool option
}

/// IMPURE: the notes of all backends that are in a pool. Written by the agent's thread, read by all.
[<Sealed>]
type BackendNotes(clock: TimeProvider) =

    let nothing = {
        LastFailureAt = None
        LastCheckAt = None
        LastCheckPassed = None
    }

    let notes = ConcurrentDictionary<struct (PoolName * BackendId), BackendNote>()

    let update pool id (change: DateTimeOffset -> BackendNote -> BackendNote) =
        let key = struct (pool, id)

        match notes.TryGetValue key with
        | true, note -> notes[key] <- change (clock.GetUtcNow()) note
        | _ -> ()

    let checkedOnce (failure: string option) now note = {
        LastFailureAt = (if failure.IsSome then Some now else note.LastFailureAt)
        LastCheckAt = Some now
        LastCheckPassed = Some failure.IsNone
    }

    /// Notes what an event says of a backend.
    member _.Hear(event: Event) =
        match event with
        | Event.InPool(pool, PoolEvent.Checked(id, failure)) -> update pool id (checkedOnce failure)
        | Event.InPool(pool, PoolEvent.Traffic(id, _, (Evidence.Refused _ | Evidence.Failed _))) ->
            update pool id (fun now note -> { note with LastFailureAt = Some now })
        | _ -> ()

    /// Keeps notes of a backend from when it joins to when it leaves.
    member _.Follow(change: Change) =
        match change with
        | Change.Added(pool, spec) -> notes[struct (pool, spec.Id)] <- nothing
        | Change.Removed(pool, spec) -> notes.TryRemove(struct (pool, spec.Id)) |> ignore
        | _ -> ()

    member _.Of(pool, id) : BackendNote =
        match notes.TryGetValue(struct (pool, id)) with
        | true, note -> note
        | _ -> nothing
