module Conduit.Tests.LimiterTests

open System
open System.Threading.Tasks
open FsCheck
open Xunit
open Conduit

let private limit tokens burst maxKeys = {
    Rate = {
        Tokens = tokens
        Period = TimeSpan.FromSeconds 1.0
    }
    Burst = burst
    By = LimitBy.Client
    Exempt = AddressSet.empty
    MaxKeys = maxKeys
}

let private at (milliseconds: int) =
    Instant.ofElapsed (TimeSpan.FromMilliseconds(float milliseconds))

let private key (number: int) =
    UInt128(SplitMix.bits (uint64 number), uint64 number)

[<Fact>]
let ``each key has a bucket of its own, as long as there is room`` () =
    Property.check (fun (requests: (byte * byte) list) seed ->
        let limit = limit 3 5 1024
        let limiter = Limiter(limit, seed)
        let mutable now = 0
        let mutable buckets = Map.empty

        requests
        |> List.forall (fun (number, pause) ->
            now <- now + int pause
            let number = int number % 8

            let bucket =
                buckets
                |> Map.tryFind number
                |> Option.defaultWith (fun () -> Bucket.full limit.Rate limit.Burst (at now))

            let struct (expected, after) = Bucket.take limit.Rate limit.Burst (at now) bucket
            buckets <- Map.add number after buckets
            limiter.Take(key number, at now) = expected))

[<Fact>]
let ``a flood of a million keys takes no more memory, and a key that keeps coming keeps its bucket`` () =
    let limiter = Limiter(limit 1 2 65_536, 1UL)
    Assert.Equal(65_536, limiter.Capacity)
    let own = key -1
    Assert.True((limiter.Take(own, at 0)).Admitted)
    Assert.True((limiter.Take(own, at 0)).Admitted)
    let before = GC.GetAllocatedBytesForCurrentThread()

    for number in 1..1_000_000 do
        limiter.Take(key number, at 0) |> ignore

        // Emptier than any of those that come once, it is the last to give way.
        if number % 1000 = 0 then
            Assert.False((limiter.Take(own, at 0)).Admitted)

    Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0L, 100_000L)

[<Fact>]
let ``a key that was idle until its bucket was full makes room for another`` () =
    let limiter = Limiter(limit 10 1 1024, 1UL)

    // All at once empty, and all full again a second later.
    for number in 1..1024 do
        limiter.Take(key number, at 0) |> ignore

    for number in 2001..3024 do
        Assert.True((limiter.Take(key number, at 1000)).Admitted)

[<Fact>]
let ``four threads at once are admitted the burst and not one more`` () =
    let limiter = Limiter(limit 1 1000 1024, 1UL)

    let admitted =
        Task.WhenAll [|
            for _ in 1..4 ->
                Task.Run(fun () ->
                    Seq.init 1000 (fun _ -> limiter.Take(key 1, at 0))
                    |> Seq.filter _.Admitted
                    |> Seq.length)
        |]

    Assert.Equal(1000, Array.sum admitted.Result)

[<Fact>]
let ``refusals are counted by their reasons`` () =
    let refusals = Rejections()
    refusals.Add RejectReason.Busy
    refusals.Add RejectReason.Busy
    refusals.Add RejectReason.Denied

    for reason in Enum.GetValues<RejectReason>() do
        let expected =
            match reason with
            | RejectReason.Denied -> 1L
            | RejectReason.Busy -> 2L
            | _ -> 0L

        Assert.Equal((reason, expected), (reason, refusals.Count reason))
