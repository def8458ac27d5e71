module Conduit.Tests.BucketTests

open System
open FsCheck
open FsCheck.FSharp
open Xunit
open Conduit

let private at (ticks: int64) =
    Instant.ofElapsed (TimeSpan.FromTicks ticks)

let private rate = gen {
    let! tokens = Gen.frequency [ 3, Gen.choose (1, 50); 1, Gen.choose (1, 1_000_000) ]
    let! period = Gen.elements [ 1.0; 60.0; 3600.0 ]

    return {
        Tokens = tokens
        Period = TimeSpan.FromSeconds period
    }
}

/// Pauses between requests in ticks; a few go back in time.
let private pauses =
    Gen.listOf (
        Gen.frequency [
            4, Gen.constant 0
            4, Gen.choose (0, 2_000_000)
            2, Gen.choose (0, 100_000_000)
            1, Gen.choose (-50_000_000, 0)
        ]
    )

let private cases = Arb.fromGen (Gen.zip3 rate (Gen.choose (1, 100)) pauses)

/// The instants of requests, and how many of them were admitted up to each.
let private run rate burst (pauses: int list) =
    let start = at 1_000_000_000L

    ((1_000_000_000L, Bucket.full rate burst start, 0), pauses)
    ||> List.mapFold (fun (now, bucket, admitted) pause ->
        let now = now + int64 pause
        let struct (ruling, after) = Bucket.take rate burst (at now) bucket
        let admitted = if ruling.Admitted then admitted + 1 else admitted
        (now, admitted), (now, after, admitted))
    |> fst

[<Fact>]
let ``a bucket never admits more than its burst and what came back since, to the part of a token`` () =
    Property.check (
        Prop.forAll cases (fun (rate, burst, pauses) ->
            run rate burst pauses
            |> List.scan (fun (latest, _) (now, admitted) -> max latest now, admitted) (1_000_000_000L, 0)
            |> List.forall (fun (latest, admitted) ->
                let elapsed = bigint (latest - 1_000_000_000L)
                let period = bigint rate.Period.Ticks
                bigint admitted * period <= bigint burst * period + elapsed * bigint rate.Tokens))
    )

[<Fact>]
let ``a bucket that never overflows loses no part of a token, whatever the clock does`` () =
    Property.check (
        Prop.forAll cases (fun (rate, _, pauses) ->
            // So large that it never fills up in these times, and begun empty.
            let burst = 1_000_000
            let mutable bucket: Bucket = { Parts = 0L; At = 0L }
            let mutable now, latest, admitted = 0L, 0L, 0L

            for pause in pauses do
                now <- max 0L (now + int64 pause)
                latest <- max latest now
                let struct (ruling, after) = Bucket.take rate burst (at now) bucket
                bucket <- after

                if ruling.Admitted then
                    admitted <- admitted + 1L

            let came = bigint latest * bigint rate.Tokens
            let full = bigint burst * bigint rate.Period.Ticks

            came >= full
            || bigint bucket.Parts + bigint admitted * bigint rate.Period.Ticks = came)
    )

[<Fact>]
let ``who waits as long as he is told gets a token, and who waits a tick less gets none`` () =
    Property.check (
        Prop.forAll cases (fun (rate, burst, pauses) ->
            let now = 1_000_000_000L + (pauses |> List.sumBy (max 0 >> int64))

            let mutable bucket = Bucket.full rate burst (at now)
            let mutable ruling = Unchecked.defaultof<Ruling>
            let mutable going = true

            while going do
                let struct (next, after) = Bucket.take rate burst (at now) bucket
                ruling <- next
                bucket <- after
                going <- next.Admitted

            let isAdmittedAfter ticks =
                let struct (ruling, _) = Bucket.take rate burst (at (now + ticks)) bucket
                ruling.Admitted

            let wait = ruling.Wait.Ticks
            wait > 0L && isAdmittedAfter wait && not (isAdmittedAfter (wait - 1L)))
    )

[<Fact>]
let ``twice the rate for 30 seconds is admitted the burst and 30 times the rate, exactly`` () =
    let rate = {
        Tokens = 7
        Period = TimeSpan.FromSeconds 1.0
    }

    let mutable bucket = Bucket.full rate 20 (at 0L)
    let mutable admitted = 0

    for request in 0 .. 14 * 30 do
        let struct (ruling, after) =
            Bucket.take rate 20 (at (int64 request * 10_000_000L / 14L)) bucket

        bucket <- after

        if ruling.Admitted then
            admitted <- admitted + 1

    Assert.Equal(20 + 7 * 30, admitted)
