namespace Conduit.Server

open System
open System.Collections.Generic
open System.Text.Json.Nodes
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Conduit

/// What a reload changed.
type ReloadReport = {
    /// Of the configuration that is now in force.
    Version: int
    /// One line for each change; none where the file says the same as before.
    Changes: string list
}

/// A configuration that was tried and refused.
type FailedLoad = {
    At: DateTimeOffset
    Faults: Fault list
}

/// Where the configuration in force comes from.
type ConfigStatus = {
    /// Counts the configurations that took effect, from 1.
    Version: int
    LoadedAt: DateTimeOffset
    /// The file, if there is one.
    Source: string option
    /// SHA-256 of the file's bytes as lower-case hex, if there is a file.
    Hash: string option
    /// What it changed against the one before it; nothing at the start.
    Changes: string list
    /// The last attempt that changed nothing, if it is newer than the configuration in force.
    LastFailure: FailedLoad option
}

/// What happened, for those who watch.
[<RequireQualifiedAccess>]
type ControlEvent =
    | Changed of Change
    | Reloaded of ReloadReport
    | ReloadFailed of Fault list
    /// The program has begun to stop.
    | Stopping

/// An event with its place in the order of this process.
type NumberedEvent = {
    /// 1, 2, 3, ...
    Number: int64
    At: DateTimeOffset
    Event: ControlEvent
}

/// IMPURE: hands events to all who listen, each in the same order.
[<Sealed>]
type ControlEvents(clock: TimeProvider) =
    let gate = obj ()
    let mutable last = 0L
    let past = Queue<NumberedEvent>()
    let mutable listeners: (obj * (NumberedEvent -> unit)) list = []

    /// Listeners run on the caller's thread: they must be quick and must not throw.
    member _.Publish event =
        lock gate (fun () ->
            last <- last + 1L

            let numbered = {
                Number = last
                At = clock.GetUtcNow()
                Event = event
            }

            if past.Count = ControlEvents.Kept then
                past.Dequeue() |> ignore

            past.Enqueue numbered

            for _, listener in listeners do
                listener numbered)

    /// How many events are remembered.
    static member Kept = 500

    /// The number of the last event; 0 for none.
    member _.Last = lock gate (fun () -> last)

    /// The last events, the oldest first.
    member _.Past: NumberedEvent[] = lock gate (fun () -> past.ToArray())

    /// Hears what is published from now on, until it is disposed.
    member _.Subscribe(listener: NumberedEvent -> unit) : IDisposable =
        let key = obj ()
        let isOther (other, _) = not (obj.ReferenceEquals(other, key))
        lock gate (fun () -> listeners <- (key, listener) :: listeners)

        {
            new IDisposable with
                member _.Dispose() =
                    lock gate (fun () -> listeners <- List.filter isOther listeners)
        }

/// Everything that the admin API needs of the program.
[<NoEquality; NoComparison>]
type ControlPorts = {
    Agent: Agent
    Lifetime: Lifetime
    /// The clock of the agent's instants.
    Now: unit -> Instant
    /// The time of day.
    Clock: TimeProvider
    /// The handler of `/stats`.
    Stats: HttpContext -> Task
    /// The handler of `/metrics`.
    Metrics: HttpContext -> Task
    Events: ControlEvents
    Figures: LiveFigures
    Notes: BackendNotes
    /// Held while the configuration is read and then changed, by the API and by a reload, so that a
    /// precondition still holds when the change is made. `Reload` takes it itself.
    Writing: SemaphoreSlim
    /// Reads the file again. A fault leaves everything as it was.
    Reload: unit -> Task<Result<ReloadReport, Fault list>>
    /// What a reload would do now; changes nothing.
    Preview: unit -> Result<ReloadReport, Fault list>
    ConfigStatus: unit -> ConfigStatus
    /// The configuration in force with every default filled in and every secret masked.
    EffectiveConfig: unit -> JsonNode
    Differences: unit -> Drift list
}
