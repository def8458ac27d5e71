namespace Conduit.Server

open System
open System.Net
open System.Threading
open System.Threading.Tasks
open Conduit

/// A listener that takes no more connections, while its requests in flight finish.
type private Leaving = {
    Listener: Listener
    /// Gives the requests that were cut off.
    Ended: Task<int>
}

/// IMPURE: the traffic port, and those before it whose requests in flight still finish. It is moved and
/// drained by one caller at a time.
[<Sealed>]
type TrafficPort
    private
    (listen: IPEndPoint -> Task<Result<Listener, Fault>>, asked: IPEndPoint, first: Listener, log: Log) =

    let stopping = new CancellationTokenSource()
    let mutable endPoint = asked
    let mutable current = first
    let mutable leaving: Leaving list = []

    let leave (old: Listener) timeout : Task<int> = task {
        try
            let! cut = old.Drain(timeout, stopping.Token)
            log.PortClosed(old.Url, cut)
            return cut
        with error ->
            log.Failed($"Closing {old.Url}", error)
            return 0
    }

    /// Where clients reach it.
    member _.Url = current.Url

    /// Requests in flight, on all ports.
    member _.Active =
        current.Active + (leaving |> List.sumBy (fun each -> each.Listener.Active))

    /// Takes a port; the fault says why it cannot be had.
    static member Open(endPoint: IPEndPoint, serve, log: Log) : Task<Result<TrafficPort, Fault>> = task {
        let listen endPoint =
            Binding.attempt "--port" endPoint (fun () -> Listener.Start(endPoint, serve, log.Factory))

        match! listen endPoint with
        | Ok opened -> return Ok(new TrafficPort(listen, endPoint, opened, log))
        | Error fault -> return Error fault
    }

    /// Opens another port, unless it is the one there is, and gives what then puts it in the place of the
    /// old one. The requests of the old one get `timeout` to finish.
    member _.Move(wanted: IPEndPoint, timeout: TimeSpan) : Task<Result<unit -> unit, Fault>> = task {
        if wanted = endPoint then
            return Ok ignore
        else
            match! listen wanted with
            | Error fault -> return Error fault
            | Ok opened ->
                return
                    Ok(fun () ->
                        let old = current
                        endPoint <- wanted
                        current <- opened
                        log.Listening opened.Url

                        leaving <-
                            {
                                Listener = old
                                Ended = leave old timeout
                            }
                            :: (leaving |> List.filter (fun each -> not each.Ended.IsCompleted)))
    }

    /// Drains the port, and waits for those before it too, all within `timeout`. Gives the number of
    /// requests that were cut off.
    member _.Drain(timeout: TimeSpan) : Task<int> = task {
        stopping.CancelAfter timeout
        let! cut = current.Drain(timeout, CancellationToken.None)
        let! before = Task.WhenAll(leaving |> List.map _.Ended)
        return cut + Array.sum before
    }

    interface IDisposable with
        member _.Dispose() = stopping.Dispose()
