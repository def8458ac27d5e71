module Conduit.Server.Tests.AccessBufferTests

open System
open System.Threading
open System.Threading.Tasks
open Xunit
open Conduit.Server

let private entry status (target: string) : AccessEntry = {
    At = DateTime.UnixEpoch
    RequestId = null
    Client = null
    Scheme = null
    Protocol = null
    Method = null
    Host = null
    Target = target
    UserAgent = null
    Referer = null
    Status = status
    Received = 0L
    Sent = 0L
    Duration = TimeSpan.Zero
    FirstByte = ValueNone
    Tries = 0
    Backend = ValueNone
    Cause = null
}

let private add (buffer: AccessBuffer) status target =
    let entry = entry status target
    buffer.Add &entry

let private take (buffer: AccessBuffer) = [ for each in buffer.Take() -> each.Status ]

[<Fact>]
let ``what is taken is what was added, in its order, and more than fits is dropped`` () =
    let buffer = AccessBuffer 4

    Assert.Equal<Kept list>(
        [ Kept.First; Kept.Half; Kept.One; Kept.One; Kept.Dropped ],
        [ for status in 1..5 -> add buffer status "/" ]
    )

    Assert.Equal<int list>([ 1; 2; 3; 4 ], take buffer)
    Assert.Equal<int list>([], take buffer)
    Assert.Equal(Kept.First, add buffer 6 "/")
    Assert.Equal<int list>([ 6 ], take buffer)

[<Fact>]
let ``long texts fill it, too`` () =
    let buffer = AccessBuffer 1000
    let long = String('a', 1024 * 1024)

    let kept =
        [ for status in 1..20 -> add buffer status long ]
        |> List.filter ((<>) Kept.Dropped)

    Assert.Equal(8, kept.Length)
    Assert.Equal(8, (take buffer).Length)
    Assert.Equal(Kept.First, add buffer 1 long)

[<Fact>]
let ``nothing is lost or doubled while many add and one takes`` () =
    let buffer = AccessBuffer 64
    let writers, each = 4, 20_000
    let mutable dropped = 0

    let adding =
        Task.WhenAll [|
            for writer in 0 .. writers - 1 ->
                Task.Run(fun () ->
                    for number in 0 .. each - 1 do
                        if add buffer (writer * each + number) "/" = Kept.Dropped then
                            Interlocked.Increment &dropped |> ignore)
        |]

    let taken = ResizeArray<int>()

    while not adding.IsCompleted do
        taken.AddRange(take buffer)

    taken.AddRange(take buffer)
    Assert.Equal(writers * each, taken.Count + dropped)
    Assert.Equal(taken.Count, (Seq.distinct taken |> Seq.length))
