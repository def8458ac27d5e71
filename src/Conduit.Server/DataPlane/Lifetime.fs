namespace Conduit.Server

open System
open System.Threading

/// IMPURE: whether what serves requests is on its way out, and what it still has to do.
[<Sealed>]
type Lifetime() =
    let mutable active = 0
    let mutable connections = 0
    let mutable lastEnd = 0L
    let begun = new CancellationTokenSource()
    let ending = new CancellationTokenSource()

    [<VolatileField>]
    let mutable draining = false

    member _.IsDraining = draining
    /// Cancelled when the drain begins, for connections that must be told of it at once.
    member _.Draining = begun.Token

    member _.Drain() =
        draining <- true
        begun.Cancel()

    /// Cancelled when the drain is near its end, for what would not end by itself.
    member _.Ending = ending.Token

    member _.End() =
        if not ending.IsCancellationRequested then
            ending.CancelAsync() |> ignore

    /// Requests that have begun and not ended.
    member _.Active = Volatile.Read &active

    /// Connections that clients have open.
    member _.Connections = Volatile.Read &connections

    /// How long ago the last request ended; nothing while one is being answered.
    member _.Quiet =
        if Volatile.Read &active > 0 then
            TimeSpan.Zero
        else
            TimeSpan.FromMilliseconds(float (Environment.TickCount64 - Volatile.Read &lastEnd))

    member _.Enter() = Interlocked.Increment &active |> ignore

    member _.Leave() =
        Volatile.Write(&lastEnd, Environment.TickCount64)
        Interlocked.Decrement &active |> ignore

    member _.Connected() =
        Interlocked.Increment &connections |> ignore

    member _.Disconnected() =
        Interlocked.Decrement &connections |> ignore
