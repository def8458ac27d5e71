namespace Conduit.Server.Sample

open System
open System.Threading

/// What one sample backend knows of itself: its name, and the little that changes while it runs.
/// `stopping` ends the answers that would otherwise never end.
[<Sealed>]
type BackendState(name: string, delay: TimeSpan, stopping: CancellationToken) =

    [<VolatileField>]
    let mutable ready = true

    let mutable inFlight = 0

    member _.Name = name

    member _.Delay = delay

    member _.Stopping = stopping

    /// What `/readyz` tells. It changes nothing else: work is still answered.
    member _.Ready
        with get () = ready
        and set value = ready <- value

    /// Requests begun and not yet over, WebSockets included.
    member _.InFlight = Volatile.Read &inFlight

    member _.Enter() =
        Interlocked.Increment &inFlight |> ignore

    member _.Leave() =
        Interlocked.Decrement &inFlight |> ignore
