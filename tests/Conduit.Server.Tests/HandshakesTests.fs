module Conduit.Server.Tests.HandshakesTests

open System
open System.Net
open System.Net.Sockets
open System.Threading
open Xunit
open Conduit.Server

let private socket () =
    new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)

[<Fact>]
let ``A port that is about to close keeps out what is new and accepts what is there`` () = task {
    if OperatingSystem.IsLinux() then
        use listening = socket ()
        listening.Bind(IPEndPoint(IPAddress.Loopback, 0))
        listening.Listen()
        let address = nonNull listening.LocalEndPoint
        use early = socket ()
        do! early.ConnectAsync address

        Handshakes.refuse listening

        use late = socket ()
        use patience = new CancellationTokenSource(TimeSpan.FromMilliseconds 200.0)

        let! _ =
            Assert.ThrowsAsync<OperationCanceledException>(fun () ->
                late.ConnectAsync(address, patience.Token).AsTask())

        use! accepted = listening.AcceptAsync()
        let! _ = early.SendAsync(ArraySegment [| 42uy |])
        let received = [| 0uy |]
        let! count = accepted.ReceiveAsync(ArraySegment received)
        Assert.Equal(1, count)
        Assert.Equal(42uy, received[0])
}
