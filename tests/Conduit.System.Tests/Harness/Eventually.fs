namespace Conduit.SystemTests

open System
open System.Diagnostics
open System.Net
open System.Net.Sockets
open System.Threading.Tasks

/// Waiting for something to become so, never longer than a deadline.
[<RequireQualifiedAccess>]
module Eventually =

    let private pause = TimeSpan.FromMilliseconds 10.0

    /// How long it took until the probe gave something, and what. `what` names it in the failure.
    let some (what: string) (deadline: TimeSpan) (probe: unit -> Task<'T option>) = task {
        let clock = Stopwatch.StartNew()
        let mutable found = None

        while found.IsNone do
            match! probe () with
            | Some value -> found <- Some value
            | None when clock.Elapsed > deadline ->
                failwith $"not within {deadline.TotalMilliseconds:F0} ms: {what}"
            | None -> do! Task.Delay pause

        return clock.Elapsed, found.Value
    }

    /// How long it took until the condition held.
    let holds what deadline (condition: unit -> Task<bool>) = task {
        let! elapsed, () =
            some what deadline (fun () -> task {
                let! holds = condition ()
                return if holds then Some() else None
            })

        return elapsed
    }

    /// Whether something on the loopback address accepts connections on the port.
    let answers (port: int) = task {
        use client = new TcpClient()

        try
            do! client.ConnectAsync(IPAddress.Loopback, port)
            return true
        with :? SocketException ->
            return false
    }
