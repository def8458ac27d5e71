module Conduit.Tests.LoopSocketTests

open System
open System.IO
open System.Net.Sockets
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Connections
open Xunit
open Conduit.Transport
open Conduit.Transport.Epoll

let private within (work: unit -> Task) : Task =
    (Task.Run work).WaitAsync LoopPair.Patience

/// The exception that reading without waiting throws.
let private tryReading (input: SocketInput) =
    let mutable result = Unchecked.defaultof<IO.Pipelines.ReadResult>
    Assert.ThrowsAny<exn>(fun () -> input.TryRead &result |> ignore)

[<LoopFact>]
let ``A reset is a reset however it is read`` () =
    within (fun () -> task {
        use! pair = LoopPair.Open()
        pair.Reset()
        do! pair.PeerGone()
        let input = SocketInput pair.Loop
        Assert.IsType<ConnectionResetException>(tryReading input) |> ignore

        use! other = LoopPair.Open()
        let reading = (SocketInput other.Loop).ReadAsync().AsTask()
        other.Reset()
        let! _ = Assert.ThrowsAsync<ConnectionResetException>(fun () -> reading)
        ()
    })

[<LoopFact>]
let ``What is aborted here is aborted however it is read`` () =
    within (fun () -> task {
        use! pair = LoopPair.Open()
        let input = SocketInput pair.Loop
        let reading = input.ReadAsync().AsTask()
        pair.Loop.Abort()
        let! _ = Assert.ThrowsAsync<ConnectionAbortedException>(fun () -> reading)
        Assert.IsType<ConnectionAbortedException>(tryReading input) |> ignore
    })

[<LoopFact>]
let ``What is written for a peer that is gone is not kept`` () =
    within (fun () -> task {
        use! pair = LoopPair.Open()
        let output = SocketOutput pair.Loop
        pair.Reset()
        do! pair.PeerGone()
        output.Advance(output.GetMemory(10).Length)
        let! flushed = output.FlushAsync()
        Assert.True flushed.IsCompleted

        for _ in 1..100 do
            output.Advance(output.GetMemory(1000).Length)

        Assert.Equal(0L, output.UnflushedBytes)
        let! flushed = output.FlushAsync()
        Assert.True flushed.IsCompleted
    })

[<LoopFact>]
let ``A large buffer goes back when little comes again`` () =
    within (fun () -> task {
        use! pair = LoopPair.Open()
        let input = SocketInput pair.Loop
        let mutable largest = 0

        let read count = task {
            let mutable left = count

            while left > 0 do
                let! read = input.ReadAsync()
                left <- left - int read.Buffer.Length
                largest <- max largest input.Capacity
                input.AdvanceTo read.Buffer.End
        }

        let sending = pair.Peer.SendAsync(Array.zeroCreate<byte> 1_000_000)
        do! read 1_000_000
        let! _ = sending
        Assert.True(largest >= 65536, $"{largest}")
        let! _ = pair.Peer.SendAsync(Array.zeroCreate<byte> 100)
        do! read 100
        Assert.Equal(0, input.Capacity)
    })

[<LoopFact>]
let ``What comes in the turn in which a connection came to rest is seen`` () =
    within (fun () -> task {
        use! pair = LoopPair.Open()
        let told = TaskCompletionSource<bool * bool>()

        let sink = {
            new IEventSink with
                member _.OnEvents _ =
                    pair.Loop.Rest()
                    let before = pair.Loop.IsStale()
                    pair.Peer.Send [| 1uy |] |> ignore
                    told.SetResult(before, pair.Loop.IsStale())
        }

        pair.Loop.Loop.Post sink
        let! seen = told.Task
        Assert.Equal((false, true), seen)
    })

[<LoopFact>]
let ``A socket that another loop cannot take stays with its own, and works`` () =
    within (fun () -> task {
        use! pair = LoopPair.Open()
        let before = pair.Loop.Loop
        let other = EventLoop(1000, raise)

        // The system refuses to be asked twice for one descriptor.
        let token = other.Register(pair.Loop.Descriptor, Native.In, pair.Loop)
        pair.Loop.MoveTo other
        other.Unregister(pair.Loop.Descriptor, token)
        Assert.Same(before, pair.Loop.Loop)
        let reading = pair.Loop.ReceiveAsync(Memory(Array.zeroCreate<byte> 10)).AsTask()
        let! _ = pair.Peer.SendAsync(Array.zeroCreate<byte> 3)
        let! count = reading
        Assert.Equal(3, count)

        pair.Loop.MoveTo other
        Assert.Same(other, pair.Loop.Loop)
    })

[<LoopFact>]
let ``A socket that is closed while others use it is closed once they are done`` () =
    within (fun () -> task {
        let mutable left = 0

        for _ in 1..300 do
            let! pair = LoopPair.Open()

            let entry () =
                FileInfo($"/proc/self/fd/{pair.Loop.Descriptor}").LinkTarget

            let own = entry ()
            use start = new Barrier 3

            let use' () =
                start.SignalAndWait()

                while not (pair.Loop.IsStale()) do
                    ()

            let using = [ Task.Run use'; Task.Run use' ]
            start.SignalAndWait()
            pair.Loop.Close()
            do! Task.WhenAll using

            if entry () = own then
                left <- left + 1

            pair.Peer.Dispose()

        Assert.Equal(0, left)
    })

[<LoopFact>]
let ``What is thrown where a connection ends is told, and ends nothing else`` () =
    within (fun () -> task {
        let told =
            TaskCompletionSource<exn>(TaskCreationOptions.RunContinuationsAsynchronously)

        let hear =
            Action<exn>(fun error ->
                if string error |> _.Contains("on purpose") then
                    told.TrySetResult error |> ignore)

        EventLoops.add_Failed hear

        try
            let transport =
                LoopTransport((fun _ -> LoopPair.Bound()), (fun socket -> socket.Dispose()))

            let! listener = transport.BindAsync(Net.IPEndPoint(Net.IPAddress.Loopback, 0))
            use client = new Socket(SocketType.Stream, ProtocolType.Tcp)
            do! client.ConnectAsync listener.EndPoint
            let! connection = listener.AcceptAsync()

            match connection with
            | null -> failwith "no connection"
            | connection ->
                connection.ConnectionClosed.Register(fun () -> failwith "on purpose") |> ignore
                client.Dispose()
                let! _ = told.Task
                do! connection.DisposeAsync()
                do! listener.DisposeAsync()
        finally
            EventLoops.remove_Failed hear
    })

[<LoopFact>]
let ``A loop that stands still is told of while it does`` () =
    within (fun () -> task {
        use go = new ManualResetEventSlim()

        let told =
            TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously)

        let loop = EventLoops.All[0]

        let hear =
            Action<int, TimeSpan>(fun number time ->
                if number = loop.Index && time >= TimeSpan.FromSeconds 1.0 then
                    told.TrySetResult number |> ignore)

        EventLoops.add_Stalled hear

        try
            loop.Post
                {
                    new IEventSink with
                        member _.OnEvents _ = go.Wait LoopPair.Patience |> ignore
                }

            let! number = told.Task
            Assert.Equal(loop.Index, number)
        finally
            go.Set()
            EventLoops.remove_Stalled hear
    })

[<LoopFact>]
let ``A port that a loop cannot wait for is not bound, and leaves nothing`` () =
    within (fun () -> task {
        let socket = LoopPair.Bound()
        socket.Listen 1
        let last = EventLoops.All[EventLoops.All.Length - 1]

        let sink = {
            new IEventSink with
                member _.OnEvents _ = ()
        }

        let token = last.Register(int socket.Handle, Native.In, sink)
        let before = EventLoops.All[0].Count

        Assert.ThrowsAny<SocketException>(fun () ->
            LoopListener(socket, (fun unused -> unused.Dispose())) |> ignore)
        |> ignore

        last.Unregister(int socket.Handle, token)
        socket.Dispose()
        Assert.True(EventLoops.All[0].Count <= before)
    })
