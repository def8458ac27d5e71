namespace Conduit.SystemTests

open System
open System.Net
open System.Net.Sockets
open System.Text
open System.Threading
open System.Threading.Tasks

/// A backend in the test's own process, which answers each request after a time, and with a status, of the
/// test's choice. It counts what it was asked.
[<Sealed>]
type TimedBackend(answer: int -> TimeSpan * int) =

    let listener = new TcpListener(IPAddress.Loopback, 0)
    let mutable requests = 0

    let response status =
        Encoding.ASCII.GetBytes $"HTTP/1.1 {status} Chosen\r\nContent-Length: 2\r\n\r\nok"

    let serve (socket: Socket) : Task = task {
        use _ = socket
        socket.NoDelay <- true
        let buffer = Array.zeroCreate<byte> 16384
        let mutable filled = 0
        let mutable going = true

        try
            while going do
                let! count = socket.ReceiveAsync(buffer.AsMemory filled)
                filled <- filled + count
                going <- count > 0

                // Requests here have no body, and each waits for the answer to the one before.
                if buffer.AsSpan(0, filled).EndsWith("\r\n\r\n"B.AsSpan()) then
                    filled <- 0
                    let time, status = answer (Interlocked.Increment &requests)

                    if time > TimeSpan.Zero then
                        do! Task.Delay time

                    let! _ = socket.SendAsync((response status).AsMemory())
                    ()
        with :? SocketException ->
            ()
    }

    let accept () : Task = task {
        try
            while true do
                let! socket = listener.AcceptSocketAsync()
                serve socket |> ignore
        with
        | :? SocketException
        | :? ObjectDisposedException -> ()
    }

    do
        listener.Start 512
        accept () |> ignore

    member _.Url = $"http://{listener.LocalEndpoint}"

    /// Requests so far.
    member _.Requests = Volatile.Read &requests

    interface IDisposable with
        member _.Dispose() = listener.Dispose()
