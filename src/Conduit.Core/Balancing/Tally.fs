namespace Conduit

open System
open System.Threading

/// The methods that are told apart in counts; all others are one.
[<RequireQualifiedAccess>]
module CountedMethod =

    let private names = [|
        "GET"
        "POST"
        "PUT"
        "DELETE"
        "HEAD"
        "PATCH"
        "OPTIONS"
        "TRACE"
        "CONNECT"
        "other"
    |]

    /// How many there are.
    let count = names.Length

    let name index = names[index]

    /// The place of a method, which is case-sensitive.
    let indexOf (method: string) =
        let mutable index = 0

        while index < names.Length - 1
              && not (String.Equals(names[index], method, StringComparison.Ordinal)) do
            index <- index + 1

        index

/// So many requests of a method were answered with a status.
[<Struct>]
type Tallied = {
    Method: string
    Status: int
    Count: int64
}

/// Cells for a few pairs of method and status, in the order in which they were first seen.
[<Sealed; AllowNullLiteral>]
type private TallyChunk() =
    static member Size = 8
    /// 0 where there is none yet.
    member val Keys = Array.zeroCreate<int> TallyChunk.Size
    member val Counts = Array.zeroCreate<int64> TallyChunk.Size

    [<DefaultValue>]
    val mutable Next: TallyChunk

/// IMPURE: atomic cells. Requests counted by method and status. Takes no lock, and allocates only when a
/// ninth pair is seen, and a seventeenth, and so on; the pairs are bounded, whatever clients send.
[<Sealed>]
type Tally() =
    static let statuses = 1000

    let first = TallyChunk()

    let next (chunk: TallyChunk) =
        match Volatile.Read &chunk.Next with
        | null ->
            Interlocked.CompareExchange(&chunk.Next, TallyChunk(), null) |> ignore
            Volatile.Read &chunk.Next
        | next -> next

    let add key count =
        let mutable chunk = first
        let mutable index = 0
        let mutable going = true

        while going do
            let found = Volatile.Read &chunk.Keys[index]

            let found =
                if found = 0 then
                    match Interlocked.CompareExchange(&chunk.Keys[index], key, 0) with
                    | 0 -> key
                    | other -> other
                else
                    found

            if found = key then
                Interlocked.Add(&chunk.Counts[index], count) |> ignore
                going <- false
            else
                index <- index + 1

                if index = TallyChunk.Size then
                    index <- 0
                    chunk <- next chunk

    /// Counts a request. A status that is none counts as 999.
    member _.Count(method: string, status: int) =
        let status = if status >= 100 && status < statuses then status else 999
        add (CountedMethod.indexOf method * statuses + status) 1L

    /// The counts as they stand.
    member _.Read() : Tallied list = [
        let mutable chunk = first

        while not (isNull chunk) do
            for index in 0 .. TallyChunk.Size - 1 do
                let key = Volatile.Read &chunk.Keys[index]

                if key <> 0 then
                    {
                        Method = CountedMethod.name (key / statuses)
                        Status = key % statuses
                        Count = Volatile.Read &chunk.Counts[index]
                    }

            chunk <- Volatile.Read &chunk.Next
    ]

    /// Adds what another one has counted.
    member this.Absorb(other: Tally) =
        for each in other.Read() do
            add (CountedMethod.indexOf each.Method * statuses + each.Status) each.Count
