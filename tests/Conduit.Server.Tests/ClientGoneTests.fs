module Conduit.Server.Tests.ClientGoneTests

open System
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

/// A single failure would take a backend out.
let private strict (settings: Settings) = {
    settings with
        Pool = {
            settings.Pool with
                Check = {
                    settings.Pool.Check with
                        Thresholds = { Rise = 1; Fall = 1 }
                }
        }
}

let private streaming =
    Script.once (fun connection _ -> task {
        do! connection.Send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
        do! connection.Left()
    })

/// The script keeps a request until the balancer leaves; the client leaves once `started`.
let private leaves script request (started: RawClient -> Task) (leave: RawClient -> unit) : Task =
    Balancers.withOneAnd strict script (fun backend running -> task {
        for turn in 1..5 do
            let! client = running.Connect()
            do! client.Send(request: string)
            do! Eventually.holds "the backend has the request" (fun () -> backend.Connections = turn)
            do! started client
            leave client
            do! Eventually.holds "the backend's request is cancelled" (fun () -> backend.Open = 0)

        do! Eventually.holds "all leases are given back" (fun () -> running.InFlight = 0)
        Assert.Equal<int64[]>([| 0L |], running.Failures)
        Assert.True(Backend.isAvailable running.Backends[0])
    })

let private close (client: RawClient) = (client :> IDisposable).Dispose()
let private reset (client: RawClient) = client.Reset()
let private atOnce (_: RawClient) : Task = Task.CompletedTask

let private get = "GET / HTTP/1.1\r\nHost: conduit.test\r\n\r\n"

let private half =
    "POST / HTTP/1.1\r\nHost: conduit.test\r\nContent-Length: 100\r\n\r\nhalf"

let private headOnly: Script =
    fun connection -> task {
        let! _ = connection.ReadHead()
        do! connection.Left()
    }

let private readSome (client: RawClient) : Task = task {
    let! _ = client.ReadHead()
    let! _ = Framing.readChunk client.Wire
    ()
}

[<Fact>]
let ``Closing while the backend thinks cancels its request`` () = leaves Script.silent get atOnce close

[<Fact>]
let ``Resetting while the backend thinks cancels its request`` () = leaves Script.silent get atOnce reset

[<Fact>]
let ``Closing in the middle of an upload cancels the request`` () = leaves headOnly half atOnce close

[<Fact>]
let ``Resetting in the middle of an upload cancels the request`` () = leaves headOnly half atOnce reset

[<Fact>]
let ``Closing in the middle of a download cancels the request`` () = leaves streaming get readSome close

[<Fact>]
let ``Resetting in the middle of a download cancels the request`` () = leaves streaming get readSome reset

[<Fact>]
let ``Many clients that leave at once take no backend out`` () =
    Balancers.withOneAnd strict Script.silent (fun backend running -> task {
        let! clients = Array.init 40 (fun _ -> running.Connect()) |> Task.WhenAll

        for client in clients do
            do! client.Send get

        do! Eventually.holds "the backend has them all" (fun () -> backend.Connections = 40)
        Assert.Equal(40, running.InFlight)
        Array.iter close clients
        do! Eventually.holds "all are cancelled" (fun () -> backend.Open = 0 && running.InFlight = 0)
        Assert.Equal<int64[]>([| 0L |], running.Failures)
        Assert.True(Backend.isAvailable running.Backends[0])
    })
