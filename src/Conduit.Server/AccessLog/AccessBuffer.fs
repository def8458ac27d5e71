namespace Conduit.Server

open System
open System.Threading

/// What became of an entry that was to be kept.
type Kept =
    | Dropped = 0
    | First = 1
    | One = 2
    /// One with which the buffer is half full.
    | Half = 3

/// IMPURE: entries that wait to be written, in one of two arrays, while the other is being written. Nothing waits
/// here: an entry that finds it full is dropped. `capacity` bounds the entries; so that clients cannot fill the
/// memory with long texts, these are bounded as well.
[<Sealed>]
type AccessBuffer(capacity: int) =

    static let mostCharacters = 8 * 1024 * 1024

    let gate = obj ()
    let mutable filling = Array.zeroCreate<AccessEntry> capacity
    let mutable spare = Array.zeroCreate<AccessEntry> capacity
    let mutable count = 0
    let mutable characters = 0
    /// Entries that `spare` still holds.
    let mutable written = 0
    let mutable isClosed = false

    member _.Add(entry: inref<AccessEntry>) : Kept =
        let weight = AccessEntry.weight &entry
        Monitor.Enter gate

        try
            if isClosed || count = capacity || characters + weight > mostCharacters then
                Kept.Dropped
            else
                let wasHalf = characters >= mostCharacters / 2
                filling[count] <- entry
                count <- count + 1
                characters <- characters + weight

                if count = 1 then
                    Kept.First
                elif count = capacity / 2 || (not wasHalf && characters >= mostCharacters / 2) then
                    Kept.Half
                else
                    Kept.One
        finally
            Monitor.Exit gate

    /// From now on every entry is dropped.
    member _.Close() =
        Monitor.Enter gate

        try
            isClosed <- true
        finally
            Monitor.Exit gate

    /// All entries so far, which stay as they are until the next call. By one caller at a time.
    member _.Take() : ArraySegment<AccessEntry> =
        // What was written before keeps no text alive.
        Array.Clear(spare, 0, written)
        Monitor.Enter gate

        try
            let taken = ArraySegment(filling, 0, count)
            filling <- spare
            spare <- taken.Array |> Option.ofObj |> Option.get
            written <- count
            count <- 0
            characters <- 0
            taken
        finally
            Monitor.Exit gate
