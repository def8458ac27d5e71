module Conduit.Server.Tests.FloodTests

open System.Threading.Tasks
open Xunit
open Conduit

/// Why connections were ended, and how often.
let private ended (running: Running) : Task<(string * float) list> = task {
    let! series = Metrics.read running.AdminUrl

    return [
        for each in series do
            if each.Name = "lb_http2_connections_ended_total" && each.Value > 0.0 then
                each.Labels["reason"], each.Value
    ]
}

/// A client that floods loses its connection, which is counted, while another one is served on its own.
let private ends (reason: string) (frames: Http2Frame seq) : Task =
    Balancers.withOneAnd Balancers.withAdmin (Script.always (Script.ok "hello")) (fun _ running -> task {
        use! other = Http2Client.Connect running.Port
        do! other.Get 1
        use! client = Http2Client.Connect running.Port
        do! client.SendUntilClosed frames

        do! Eventually.holds "an end is counted" (fun () -> not (ended running).Result.IsEmpty)

        let! counted = ended running
        Assert.Equal<(string * float) list>([ reason, 1.0 ], counted)
        do! other.Get 3
        use! next = Http2Client.Connect running.Port
        do! next.Get 1
    })

let private get stream =
    Http2Frame.get stream Http2Frame.endHeaders

let private odd (number: int) = 2 * number + 1

[<Fact>]
let ``requests that are taken back at once end the connection`` () =
    ends
        "rapid_reset"
        (Seq.init 5000 (fun number -> [ get (odd number); Http2Frame.reset (odd number) ])
         |> Seq.concat)

[<Fact>]
let ``a header block without an end ends the connection`` () =
    Seq.append [ Http2Frame.get 1 0uy ] (Seq.init 5000 (fun _ -> Http2Frame.continuation 1 0uy [||]))
    |> ends "continuations"

[<Fact>]
let ``settings without an end end the connection`` () =
    ends "settings" (Seq.replicate 5000 Http2Frame.settings)

[<Fact>]
let ``pings without an end end the connection`` () =
    ends "idle_frames" (Seq.replicate (2 * FrameTally.mostIdle) Http2Frame.ping)

/// A field of so many bytes.
let private field name (size: int) = name, System.String('x', size)

[<Fact>]
let ``headers of more than 64 KiB end the connection`` () =
    let block = [ for number in 1..8 -> field $"x-{number}" 9_000 ]

    ends "headers" [
        Http2Frame.get 1 0uy
        for each in block do
            Http2Frame.continuation 1 0uy (Http2Frame.fields [ each ])
    ]

[<Fact>]
let ``a header of more than 64 KiB ends the connection`` () =
    let pieces = Http2Frame.fields [ field "x" 70_000 ] |> Array.chunkBySize 16_000

    ends "headers" [
        Http2Frame.get 1 0uy
        for piece in pieces do
            Http2Frame.continuation 1 0uy piece
    ]

[<Fact>]
let ``who takes back a few hundred requests keeps the connection`` () =
    Balancers.withOneAnd Balancers.withAdmin (Script.always (Script.ok "hello")) (fun _ running -> task {
        use! client = Http2Client.Connect running.Port

        for number in 0..299 do
            if number % 50 = 49 then
                do! client.Get(odd number)
            else
                do! client.Send [ get (odd number); Http2Frame.reset (odd number) ]

        let! counted = ended running
        Assert.Empty counted
    })
