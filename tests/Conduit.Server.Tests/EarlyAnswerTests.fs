module Conduit.Server.Tests.EarlyAnswerTests

open System
open System.Threading.Tasks
open Xunit

let private patient =
    Balancers.withTimeouts (fun timeouts -> {
        timeouts with
            Idle = TimeSpan.FromHours 1.0
    })

[<Fact>]
let ``An answer that comes early is not held back by a body that nobody takes`` () =
    let answered =
        TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)

    // More than all buffers on the way take.
    let size = 64_000_000

    let script: Script =
        fun connection -> task {
            let! _ = connection.ReadHead()
            do! connection.Send "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
            do! answered.Task
        }

    Balancers.withOneAnd patient script (fun _ running -> task {
        use! client = running.Connect()
        do! client.Send $"POST / HTTP/1.1\r\nHost: conduit.test\r\nContent-Length: {size}\r\n\r\n"
        // How far it gets is open: what nobody takes is dropped after the answer, or the connection closed.
        client.Send(Array.zeroCreate<byte> size) |> ignore

        try
            let! response = client.ReadResponse()
            Assert.Equal(403, Message.status response)
            Assert.Equal("no", Message.text response)
        finally
            answered.SetResult()
    })
