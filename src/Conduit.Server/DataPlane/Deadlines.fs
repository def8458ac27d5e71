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
/// than a store. They come late by up to `interval`.
[<Sealed>]
type Deadlines private () as this =

    let interval = TimeSpan.FromMilliseconds 50.0
    let gate = obj ()
    let watched = List<IExpiring>()
    let mutable seen: IExpiring[] = Array.empty
    let timer = new Timer((fun _ -> this.Look()), null, interval, interval)

    /// Those of the process.
    static member val Shared = new Deadlines()

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

    member private this.Look() =
        let count = this.Copy()
        let now = Environment.TickCount64

        for index in 0 .. count - 1 do
            seen[index].Expire now

        Array.Clear(seen, 0, count)

    interface IDisposable with
        member _.Dispose() = timer.Dispose()
