namespace Conduit.SystemTests

open System
open System.Collections.Concurrent
open System.Threading.Tasks

/// Clients that ask without a pause until they are told to stop, and account for every request: some over kept
/// connections, which they replace when an answer says that it was the last, and some over a new connection for each
/// request.
[<Sealed>]
type SteadyClients(port: int, kept: int, fresh: int) =

    let counts = ConcurrentDictionary<string, int>()

    [<VolatileField>]
    let mutable stopping = false

    let count what =
        counts.AddOrUpdate(what, 1, (fun _ before -> before + 1)) |> ignore

    let ask (connection: KeptConnection) = task {
        count "sent"

        match! connection.Get "/load" with
        | Exchange.Answered(status, _, closing) ->
            count (string status)
            return not closing
        | Exchange.Cut _
        | Exchange.Unanswered ->
            count "cut"
            return false
    }

    let client keeps = task {
        while not stopping do
            match! KeptConnection.TryOpen port with
            | None -> count "refused"
            | Some connection ->
                use _ = connection
                count "connected"
                let! goesOn = ask connection
                let mutable going = goesOn && keeps

                while going && not stopping do
                    let! goesOn = ask connection
                    going <- goesOn
    }

    let finished =
        Task.WhenAll [
            for _ in 1..kept -> client true
            for _ in 1..fresh -> client false
        ]

    /// How often there was `sent`, `cut`, `refused`, `connected`, or a status.
    member _.Count what =
        match counts.TryGetValue what with
        | true, count -> count
        | _ -> 0

    /// Requests that were answered, with whatever status.
    member _.Answered =
        counts
        |> Seq.sumBy (fun each -> if Char.IsAsciiDigit each.Key[0] then each.Value else 0)

    /// Everything that was no answer with status 200; a connection that is refused counts like a request that fails.
    member this.Failed =
        this.Answered - this.Count "200" + this.Count "cut" + this.Count "refused"

    member _.Summary =
        counts
        |> Seq.sortBy _.Key
        |> Seq.map (fun each -> $"{each.Value} {each.Key}")
        |> String.concat ", "

    /// Ends when the last client is done with its last request.
    member _.Stop() : Task = task {
        stopping <- true
        let! _ = finished
        ()
    }
