module Conduit.Tests.FrameTallyTests

open System
open FsCheck.FSharp
open Xunit
open Conduit

let private at (seconds: float) =
    Instant.ofElapsed (TimeSpan.FromSeconds seconds)

/// A frame as the tally sees it: type, flags, length.
type private Frame = byte * byte * int

let private headers: Frame = 1uy, 4uy, 20
let private reset: Frame = 3uy, 0uy, 4
let private settings: Frame = 4uy, 0uy, 6
let private ping: Frame = 6uy, 0uy, 8
let private data: Frame = 0uy, 0uy, 100
let private continuation: Frame = 9uy, 0uy, 0

/// The first flood that the frames come to, which arrive at these times, and how many there were until then.
let private firstFlood (frames: (Instant * Frame) seq) =
    ((FrameTally.start (at 0.0), 0, ValueNone), frames)
    ||> Seq.scan (fun (tally, count, _) (now, (kind, flags, length)) ->
        let tally = FrameTally.add now kind flags length tally
        tally, count + 1, FrameTally.flood tally)
    |> Seq.tryPick (fun (_, count, flood) ->
        match flood with
        | ValueSome flood -> Some(flood, count)
        | ValueNone -> None)

/// So many at once.
let private many count (frames: Frame list) =
    List.replicate count frames
    |> Seq.concat
    |> Seq.map (fun frame -> at 1.0, frame)

[<Fact>]
let ``requests that are all taken back are a flood after 500`` () =
    Assert.Equal(Some(Flood.RapidReset, 2 * 501), firstFlood (many 1000 [ headers; reset ]))

[<Fact>]
let ``requests of which every third is taken back are none`` () =
    Assert.Equal(None, firstFlood (many 5000 [ headers; headers; headers; reset ]))

[<Fact>]
let ``settings are a flood after 100, and acknowledgements of settings are not`` () =
    Assert.Equal(Some(Flood.Settings, 101), firstFlood (many 1000 [ settings ]))
    Assert.Equal(None, firstFlood (many 1000 [ 4uy, 1uy, 0 ]))

[<Theory>]
[<InlineData(6, 0, 8)>]
[<InlineData(2, 0, 5)>]
[<InlineData(0, 0, 0)>]
[<InlineData(99, 0, 1)>]
let ``frames that carry nothing are a flood after 50,000`` (kind: byte, flags: byte, length: int) =
    let frames = many 60_000 [ kind, flags, length ]
    Assert.Equal(Some(Flood.Idle, FrameTally.mostIdle + 1), firstFlood frames)

[<Fact>]
let ``data, its end, and window updates are no flood however many there are`` () =
    Assert.Equal(None, firstFlood (many 60_000 [ data; 0uy, 1uy, 0; 8uy, 0uy, 4 ]))

[<Fact>]
let ``a header block in 65 pieces more is a flood, however slowly they come`` () =
    let slowly =
        Seq.append [ at 0.0, headers ] (Seq.init 100 (fun number -> at (float number * 20.0), continuation))

    Assert.Equal(Some(Flood.Continuations, 1 + 65), firstFlood slowly)

[<Fact>]
let ``header blocks in 64 pieces are none`` () =
    Assert.Equal(None, firstFlood (many 100 (headers :: List.replicate 64 continuation)))

[<Fact>]
let ``who stays below the limits of each 10 seconds is never taken for a flood`` () =
    let window = gen {
        let! resets = Gen.choose (0, 250)
        let! settled = Gen.choose (0, 50)
        let! pings = Gen.choose (0, 2000)

        return!
            Gen.shuffle [|
                yield! Array.replicate resets headers
                yield! Array.replicate resets reset
                yield! Array.replicate settled settings
                yield! Array.replicate pings ping
            |]
    }

    Property.checkFew (
        Prop.forAll (Arb.fromGen (Gen.listOfLength 4 window)) (fun windows ->
            // Counting begins with any frame, so that one count may have frames of two of these windows.
            let frames =
                windows
                |> Seq.mapi (fun number frames ->
                    frames
                    |> Seq.mapi (fun index frame ->
                        at (10.0 * (float number + float index / float frames.Length)), frame))
                |> Seq.concat

            firstFlood frames = None)
    )
