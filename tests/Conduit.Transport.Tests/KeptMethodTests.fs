/// Methods that wait without allocating, seen at the reading of heads.
module Conduit.Tests.KeptMethodTests

open System
open System.IO
open System.Text
open System.Threading
open System.Threading.Tasks
open Xunit
open Conduit.Transport

/// A backend that sends what it is told to when it is told to.
[<Sealed>]
type private LaterChannel() =
    inherit ByteChannel()

    let mutable told = TaskCompletionSource<byte[]>()

    member _.Send(text: string) =
        let before = told
        told <- TaskCompletionSource<byte[]>()
        before.SetResult(Encoding.ASCII.GetBytes text)

    member _.Break() = told.SetException(IOException "broken")

    override _.ReceiveAsync buffer =
        let coming = told.Task

        ValueTask<int>(
            task {
                let! bytes = coming
                bytes.CopyTo buffer
                return bytes.Length
            }
        )

    override _.SendAsync data = ValueTask<int> data.Length
    override _.IsStale() = false
    override _.Abort() = ()
    override _.Close() = ()

let private connect () =
    let channel = LaterChannel()

    let pool =
        BackendPool("backend.test", 80, PoolLimits.Default, BackendSockets.Portable)

    channel, pool.Adopt channel

let private head status =
    $"HTTP/1.1 {status} OK\r\nContent-Length: 0\r\n\r\n"

[<Fact>]
let ``of many that wait at once, each gets its own result, in whatever order they end`` () =
    Property.checkMany (fun (order: int[]) (cut: byte) ->
        let count = order.Length
        let all = Array.init count (fun _ -> connect ())

        // Twice: what the first have left behind serves the second.
        [ 0; 1 ]
        |> List.forall (fun round ->
            let reading =
                all
                |> Array.map (fun (_, connection) -> connection.ReadHeadAsync(false).AsTask())

            for place in Array.sortBy (fun place -> order[place]) [| 0 .. count - 1 |] do
                let text = head (200 + (place + round) % 300)
                let at = 1 + int cut % (text.Length - 1)
                (fst all[place]).Send(text.Substring(0, at))
                (fst all[place]).Send(text.Substring at)

            let heads = Task.WhenAll(reading).GetAwaiter().GetResult()

            heads
            |> Array.mapi (fun place head -> head.Status = 200 + (place + round) % 300)
            |> Array.forall id))

[<Fact>]
let ``a fault while it waits is thrown where it is awaited`` () = task {
    let channel, connection = connect ()
    let reading = connection.ReadHeadAsync(false).AsTask()
    channel.Break()
    let! fault = Assert.ThrowsAsync<BackendFaultException>(fun () -> reading)
    Assert.Equal(BackendFaultKind.Closed, fault.Kind)
}

[<Fact>]
let ``a result is taken once, and not before it is there`` () =
    let channel, connection = connect ()
    let reading = connection.ReadHeadAsync false

    Assert.Throws<InvalidOperationException>(fun () -> reading.GetAwaiter().GetResult() |> ignore)
    |> ignore

    channel.Send(head 200)
    SpinWait.SpinUntil((fun () -> reading.IsCompleted), 10_000) |> ignore
    Assert.Equal(200, reading.GetAwaiter().GetResult().Status)

    Assert.Throws<InvalidOperationException>(fun () -> reading.GetAwaiter().GetResult() |> ignore)

[<Fact>]
let ``what flows with a call is there again when it goes on`` () = task {
    let local = AsyncLocal<string>()
    let channel, connection = connect ()

    let read () = task {
        local.Value <- "mine"
        let! _ = connection.ReadHeadAsync false
        return local.Value
    }

    let reading = read ()
    local.Value <- "another's"
    channel.Send(head 200)
    let! seen = reading
    Assert.Equal("mine", seen)
}
