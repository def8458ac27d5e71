namespace Conduit.Server

open System
open System.Collections.Generic
open System.Threading

/// What ends by itself when its time is over.
type IExpiring =
    /// Told a few times a second what the time is, in milliseconds of the system's tick count.
    abstract Expire: now: int64 -> unit
    /// Where it stands among the others; for `Deadlines` alone.
    abstract Place: int with get, set

/// IMPURE: looks after the deadlines of all exchanges from one timer: setting one costs a request no more
/// than a store. They come late by up to `interval`. `ticks` tells the time in milliseconds of the system's
/// tick count; `failed` is told what was thrown where a deadline ended something, which must end nothing else.
[<Sealed>]
type Deadlines(ticks: unit -> int64, failed: exn -> unit) as this =

    static let failures = Event<exn>()

    let interval = TimeSpan.FromMilliseconds 50.0
    /// A look that comes so long after the one before, in milliseconds, tells that the process stood still.
    let stall = 500L
    let gate = obj ()
    let looking = obj ()
    let watched = List<IExpiring>()
    let mutable seen: IExpiring[] = Array.empty
    let mutable lookedAt = ticks ()
    let mutable hasSpared = false

    let timer =
        new Timer((fun _ -> this.Look()), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan)

    /// Those of the process.
    static member val Shared = Deadlines.Start()

    /// Told what was thrown within those of the process.
    static member Failed = failures.Publish

    static member private Start() =
        let deadlines = new Deadlines((fun () -> Environment.TickCount64), failures.Trigger)

        deadlines.Begin()
        deadlines

    member private _.Begin() =
        timer.Change(interval, interval) |> ignore

    member _.Watch(one: IExpiring) =
        lock gate (fun () ->
            one.Place <- watched.Count
            watched.Add one)

    member _.Forget(one: IExpiring) =
        lock gate (fun () ->
            let place, last = one.Place, watched.Count - 1

            if place <= last && obj.ReferenceEquals(watched[place], one) then
                watched[place] <- watched[last]
                watched[place].Place <- place
                watched.RemoveAt last)

    /// A copy to go through without holding anything up.
    member private _.Copy() =
        lock gate (fun () ->
            if seen.Length < watched.Count then
                seen <- Array.zeroCreate (2 * watched.Count)

            watched.CopyTo seen
            watched.Count)

    member private this.Expire now =
        let count = this.Copy()

        for index in 0 .. count - 1 do
            try
                seen[index].Expire now
            with error ->
                failed error

        Array.Clear(seen, 0, count)

    /// Ends what is over. One look at a time: a timer does not wait for the call before. After a time in
    /// which the process stood still one look ends nothing, so that what has arrived meanwhile counts.
    member this.Look() =
        if Monitor.TryEnter looking then
            try
                let now = ticks ()
                let spares = now - lookedAt > stall && not hasSpared
                lookedAt <- now
                hasSpared <- spares

                if not spares then
                    this.Expire now
            finally
                Monitor.Exit looking

    interface IDisposable with
        member _.Dispose() = timer.Dispose()
