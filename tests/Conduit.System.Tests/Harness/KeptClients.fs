namespace Conduit.SystemTests

open System.Collections.Concurrent
open System.Threading
open System.Threading.Tasks

/// Clients that send one GET after the other on a kept connection each, and open another one when it
/// closes, until connections are refused. One client for each target.
[<Sealed>]
type KeptClients(port: int, targets: string list) =

    let broken = ConcurrentQueue<string>()

    [<VolatileField>]
    let mutable leaving = false

    let mutable answers = 0
    let mutable lateAnswers = 0

    /// Uses a connection to its end.
    let converse (connection: KeptConnection) target = task {
        let mutable served = 0
        let mutable going = true

        while going do
            let late = leaving

            match! connection.Get target with
            | Exchange.Answered(200, _, closing) ->
                served <- served + 1
                Interlocked.Increment &answers |> ignore

                if late then
                    Interlocked.Increment &lateAnswers |> ignore

                going <- not closing
            | other ->
                broken.Enqueue $"{target}, after {served} answers, late={late}: {other}"
                going <- false
    }

    let ask target = task {
        let mutable going = true

        while going do
            match! KeptConnection.TryOpen port with
            | None -> going <- false
            | Some connection ->
                use _ = connection
                do! converse connection target
    }

    let finished = targets |> List.map ask |> Task.WhenAll

    /// To be said right before the server is told to end.
    member _.Leaving() = leaving <- true

    /// Ends when every client has been refused a connection.
    member _.Finished = finished

    /// Whole answers with status 200.
    member _.Answers = Volatile.Read &answers

    /// Those to requests that were sent after `Leaving`.
    member _.LateAnswers = Volatile.Read &lateAnswers

    /// What every other exchange was: an answer cut short, a request without one, another status. A connection
    /// that is accepted and then closed counts too: the client has sent its request by then.
    member _.Broken = List.ofSeq broken
