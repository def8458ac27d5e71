module Conduit.Tests.HistogramTests

open System
open FsCheck
open Xunit
open Conduit

let private micros (value: int64) = TimeSpan.FromTicks(value * 10L)

[<Fact>]
let ``a bucket's bound is within an eighth above what it holds`` () =
    Property.check (fun (NonNegativeInt value) ->
        let span = micros (int64 value)
        let bound = Buckets.upperBound (Buckets.indexOf span)

        bound >= span
        && bound.TotalMicroseconds <= max 15.0 (span.TotalMicroseconds * 1.125))

[<Fact>]
let ``longer durations never stand in earlier buckets`` () =
    Property.check (fun (NonNegativeInt a) (NonNegativeInt b) ->
        let shorter, longer = min a b, max a b

        Buckets.indexOf (micros (int64 shorter))
        <= Buckets.indexOf (micros (int64 longer)))

[<Fact>]
let ``every bucket begins where the one before it ends`` () =
    for index in 0 .. Buckets.count - 2 do
        let bound = Buckets.upperBound index
        Assert.Equal(index, Buckets.indexOf bound)
        Assert.Equal(index + 1, Buckets.indexOf (bound + micros 1L))

[<Fact>]
let ``what lies outside counts in the first and the last bucket`` () =
    Assert.Equal(0, Buckets.indexOf (TimeSpan.FromSeconds -1.0))
    Assert.Equal(Buckets.count - 1, Buckets.indexOf TimeSpan.MaxValue)
