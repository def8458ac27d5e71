module Conduit.Tests.BackendConnectionTests

open System
open System.Collections.Generic
open System.Text
open System.Threading.Tasks
open FsCheck
open Xunit
open Conduit.Transport

let private pool () =
    new BackendPool("backend.test", 80, PoolLimits.Default, BackendSockets.Portable)

/// An exchange to its end: the status and the body, or the fault; and whether the connection was kept.
let private exchange (pieces: byte[] list) : Result<int * byte[], BackendFaultKind> * bool =
    let pool = pool ()
    let channel = ScriptedChannel pieces
    let connection = pool.Adopt channel

    let read () = task {
        connection.Request.Begin("GET", "", "/")
        connection.Request.End()
        do! connection.SendHeadAsync()
        let! head = connection.ReadHeadAsync false
        let body = List<byte>()
        let mutable going = true

        while going do
            let! piece = connection.ReadBodyAsync()
            going <- not piece.IsEmpty
            body.AddRange(piece.ToArray())

        return head.Status, body.ToArray()
    }

    let result =
        try
            Ok((read ()).GetAwaiter().GetResult())
        with :? BackendFaultException as fault ->
            Error fault.Kind

    connection.Release result.IsOk
    let mutable again = null
    let isKept = pool.TryRent &again
    Assert.Equal(not isKept, channel.IsClosed)
    result, isKept

[<Fact>]
let ``a response comes whole, and leaves the connection for another unless its end was the connection's`` () =
    Property.checkMany (fun (response: Response) (cuts: int list) ->
        let result, isKept = exchange (Arrival.cut cuts (Response.bytes response))

        result = Ok(response.Status, Response.body response)
        && isKept = (response.Framing <> ToTheEnd))

[<Fact>]
let ``a response that ends too early is a fault, and the connection is not used again`` () =
    Property.checkMany (fun (response: Response) (cuts: int list) (lost: PositiveInt) ->
        let bytes = Response.bytes response
        let head = (Response.head response).Length
        let kept = max 0 (bytes.Length - 1 - lost.Get % bytes.Length)
        let result, isKept = exchange (Arrival.cut cuts bytes[.. kept - 1])

        match result with
        | Error kind ->
            not isKept
            && kind =
                (if kept = 0 then BackendFaultKind.Closed
                 elif kept < head then BackendFaultKind.Reset
                 else BackendFaultKind.Truncated)
        | Ok _ -> response.Framing = ToTheEnd && kept >= head && not isKept)

[<Fact>]
let ``a mutated response ends, and after a fault the connection is not used again`` () =
    Property.checkMany (fun (mutation: Mutation) ->
        let exchanging =
            Task.Run(fun () -> exchange (Arrival.cut mutation.Cuts (Mutation.bytes mutation)))

        Assert.True(exchanging.Wait(TimeSpan.FromSeconds 20.0), "it hangs")

        match exchanging.Result with
        | Error _, isKept -> not isKept
        | Ok _, _ -> true)

[<Fact>]
let ``bytes behind a response, which nobody asked for, end the connection`` () =
    Property.check (fun (response: Response) (more: NonEmptyArray<byte>) ->
        let bytes = Array.append (Response.bytes response) more.Get
        let _, isKept = exchange [ bytes ]
        not isKept)

[<Theory>]
[<InlineData("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")>]
[<InlineData("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")>]
[<InlineData("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: X, Close\r\n\r\nx")>]
[<InlineData("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx")>]
[<InlineData("HTTP/1.1 101 Switching Protocols\r\n\r\n")>]
let ``a response with any doubt about its end, or that says so, closes the connection`` (text: string) =
    let result, isKept = exchange [ Encoding.Latin1.GetBytes text ]
    Assert.True result.IsOk
    Assert.False isKept

[<Theory>]
[<InlineData("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n")>]
[<InlineData("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n")>]
[<InlineData("HTTP/1.1 100 Continue\r\n\r\n")>]
let ``a response that can have no body has none, whatever it says`` (text: string) =
    match exchange [ Encoding.Latin1.GetBytes text ] with
    | Ok(_, body), isKept ->
        Assert.Empty body
        Assert.True isKept
    | fault, _ -> Assert.Fail $"{fault}"

[<Fact>]
let ``a backend that sends before it is asked is not asked`` () =
    let pool = pool ()

    let response =
        Encoding.Latin1.GetBytes "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    let channel = ScriptedChannel [ response; response ]
    let connection = pool.Adopt channel

    let read () = task {
        let! _ = connection.ReadHeadAsync false
        return! connection.ReadBodyAsync()
    }

    Assert.True((read ()).GetAwaiter().GetResult().IsEmpty)
    connection.Release true
    let mutable again = null
    Assert.False(pool.TryRent &again)
    Assert.True channel.IsClosed

[<Theory>]
[<InlineData("timeout=60", true)>]
[<InlineData("timeout=60, max=100", true)>]
[<InlineData("max=100", true)>]
[<InlineData("timeout=x", true)>]
[<InlineData("max=100, timeout=0", false)>]
[<InlineData("timeout=0", false)>]
let ``a connection is not used for longer than its backend keeps it`` (keepAlive: string, isKept: bool) =
    let response =
        $"HTTP/1.1 200 OK\r\nKeep-Alive: {keepAlive}\r\nContent-Length: 0\r\n\r\n"

    let result, kept = exchange [ Encoding.ASCII.GetBytes response ]
    Assert.True result.IsOk
    Assert.Equal(isKept, kept)
