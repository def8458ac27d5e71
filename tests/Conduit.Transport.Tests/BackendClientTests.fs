module Conduit.Tests.BackendClientTests

open System
open System.Net.Sockets
open System.Threading
open System.Threading.Tasks
open Xunit
open Conduit.Transport
open Conduit.Transport.Epoll

let private bySockets =
    if EventLoops.IsSupported then
        [ BackendSockets.Portable; BackendSockets.OfLoops ]
    else
        [ BackendSockets.Portable ]

[<Fact>]
let ``An address that nobody asks for any more is forgotten`` () : Task = task {
    for sockets in bySockets do
        use listener = LoopPair.Listen()

        use client =
            new BackendClient(PoolLimits.Default, sockets, Timeout.InfiniteTimeSpan)

        let pool = client.Pool("127.0.0.1", LoopPair.PortOf listener)
        let! connection = pool.ConnectAsync(LoopPair.Patience, CancellationToken.None)
        client.Sweep()
        Assert.Equal(1, client.Count)
        Assert.Same(pool, client.Pool("127.0.0.1", LoopPair.PortOf listener))
        connection.Release false
        client.Sweep()
        Assert.Equal(0, client.Count)

        // One who got it before still can use it.
        let! late = pool.ConnectAsync(LoopPair.Patience, CancellationToken.None)
        late.Release true
        Assert.Equal(0, pool.Open)
}

/// An idle connection that holds up whoever asks whether it is stale.
[<Sealed>]
type private Slow(ask: unit -> bool) =
    inherit ByteChannel()
    override _.ReceiveAsync _ = ValueTask<int> 0
    override _.SendAsync data = ValueTask<int> data.Length
    override _.IsStale() = ask ()
    override _.Abort() = ()
    override _.Close() = ()

[<Fact>]
let ``A look at idle connections holds up nobody who wants one`` () =
    let pool =
        new BackendPool("backend.test", 80, PoolLimits.Default, BackendSockets.Portable)

    let mutable rented = false
    let mutable isSweep = true

    let ask () =
        if isSweep then
            isSweep <- false

            let renting =
                Task.Run(fun () ->
                    let mutable connection = null
                    pool.TryRent &connection)

            rented <- renting.Wait(TimeSpan.FromSeconds 2.0) && renting.Result

        false

    pool.Return(pool.Adopt(Slow ask))
    Assert.False(pool.Sweep())
    Assert.True rented

[<Theory>]
[<InlineData(12, "ENOMEM")>]
[<InlineData(23, "ENFILE")>]
[<InlineData(24, "EMFILE")>]
[<InlineData(99, "EADDRNOTAVAIL")>]
[<InlineData(105, "ENOBUFS")>]
let ``What this machine is short of is not the backend's fault`` (error: int) (_: string) =
    Assert.Equal(BackendFaultKind.Shortage, BackendFaultException.NotConnected(Native.Failure error).Kind)

[<Theory>]
[<InlineData(101, "ENETUNREACH")>]
[<InlineData(104, "ECONNRESET")>]
[<InlineData(110, "ETIMEDOUT")>]
[<InlineData(111, "ECONNREFUSED")>]
[<InlineData(113, "EHOSTUNREACH")>]
let ``A backend that cannot be reached is not reached`` (error: int) (_: string) =
    Assert.Equal(BackendFaultKind.NotConnected, BackendFaultException.NotConnected(Native.Failure error).Kind)
