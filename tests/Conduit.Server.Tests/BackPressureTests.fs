module Conduit.Server.Tests.BackPressureTests

open System
open System.Threading
open System.Threading.Tasks
open Xunit

let private mebibyte = 1024 * 1024
let private block = Array.zeroCreate<byte> 65536

/// Far more than sockets and buffers between the two ends can hold.
let private whole = 64 * mebibyte

/// Bytes that have been sent.
[<Sealed>]
type private Counter() =
    let mutable value = 0L
    member _.Add(more: int64) = Interlocked.Add(&value, more) |> ignore
    member _.Value = Volatile.Read &value

/// Sends until `whole` is sent, counting.
let private pour (send: byte[] -> Task) (count: int64 -> unit) : Task = task {
    for _ in 1 .. whole / block.Length do
        do! send block
        count (int64 block.Length)
}

/// Waits until a counter has stood still for a while.
let private standsStill (read: unit -> int64) : Task = task {
    let mutable seen = -1L

    while seen <> read () do
        seen <- read ()
        do! Task.Delay 300
}

[<Fact>]
let ``A download waits for its client, and arrives whole`` () =
    let sent = Counter()

    let script: Script =
        Script.once (fun connection _ -> task {
            do! connection.Send $"HTTP/1.1 200 OK\r\nContent-Length: {whole}\r\n\r\n"
            do! pour connection.Send sent.Add
        })

    Balancers.withOne script (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send "GET / HTTP/1.1\r\nHost: conduit.test\r\n\r\n"
        let! _ = client.ReadHead()
        do! standsStill (fun () -> sent.Value)
        Assert.InRange(sent.Value, 1L, int64 whole / 2L)
        do! client.Wire.Skip(int64 whole)
    })

[<Fact>]
let ``An upload waits for its backend, and arrives whole`` () =
    let sent = Counter()
    let go = TaskCompletionSource()

    let script: Script =
        fun connection -> task {
            let! _ = connection.ReadHead()
            do! go.Task
            do! connection.Wire.Skip(int64 whole)
            do! connection.Send(Script.ok "all")
        }

    Balancers.withOne script (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send $"POST / HTTP/1.1\r\nHost: conduit.test\r\nContent-Length: {whole}\r\n\r\n"
        let pouring = pour client.Send sent.Add
        do! standsStill (fun () -> sent.Value)
        Assert.InRange(sent.Value, 1L, int64 whole / 2L)
        go.SetResult()
        do! pouring
        let! response = client.ReadResponse()
        Assert.Equal("all", Message.text response)
    })
