module Conduit.Tests.CountersTests

open System
open System.Threading.Tasks
open FsCheck
open Xunit
open Conduit

let private known = [
    "GET"
    "POST"
    "PUT"
    "DELETE"
    "HEAD"
    "PATCH"
    "OPTIONS"
    "TRACE"
    "CONNECT"
]

/// What a tally should say: by counting one request after the other.
let private counted (requests: (string * int) list) =
    requests
    |> List.map (fun (method, status) ->
        (if List.contains method known then method else "other"),
        (if status >= 100 && status <= 999 then status else 999))
    |> List.countBy id
    |> List.map (fun ((method, status), count) -> method, status, int64 count)
    |> List.sort

let private told (tally: Tally) =
    tally.Read()
    |> List.map (fun each -> each.Method, each.Status, each.Count)
    |> List.sort

let private requests (numbers: NonNegativeInt list) =
    numbers
    |> List.map (fun (NonNegativeInt number) ->
        (known @ [ "get"; "PROPFIND"; "" ])[number % 12],
        [ 200; 204; 404; 499; 503; 99; 1000; -1 ][number / 12 % 8])

[<Fact>]
let ``a tally counts each request once, by its method and status`` () =
    Property.check (fun numbers ->
        let requests = requests numbers
        let tally = Tally()
        List.iter tally.Count requests
        told tally = counted requests)

[<Fact>]
let ``threads that count at once lose nothing`` () =
    Property.checkFew (fun numbers ->
        let requests = requests numbers
        let tally = Tally()
        Parallel.For(0, 8, (fun _ -> List.iter tally.Count requests)) |> ignore
        told tally = counted (List.replicate 8 requests |> List.concat))

[<Fact>]
let ``a hundred thousand methods are one`` () =
    let tally = Tally()

    for number in 1..100_000 do
        tally.Count($"METHOD{number}", 200)

    Assert.Equal<(string * int * int64) list>([ "other", 200, 100_000L ], told tally)

[<Fact>]
let ``counting allocates nothing once a pair is known`` () =
    let counters = Counters()

    let count () =
        counters.Requests.Count("GET", 200)
        counters.Duration.Record(TimeSpan.FromMilliseconds 3.0)
        counters.FirstByte.Record(TimeSpan.FromMilliseconds 2.0)
        counters.Received.Add 10L
        counters.Sent.Add 20L
        counters.Tried(Outcome.Answered 200)

    count ()
    let before = GC.GetAllocatedBytesForCurrentThread()

    for _ in 1..1000 do
        count ()

    Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread())

[<Fact>]
let ``a time is counted in the first bucket whose bound it does not exceed`` () =
    Property.check (fun (times: NonNegativeInt list) ->
        let bounds = [| 0.01; 0.5; 2.0 |]
        let histogram = TimeHistogram bounds

        let times =
            times
            |> List.map (fun (NonNegativeInt time) -> TimeSpan.FromMilliseconds(float (time * 10)))

        List.iter histogram.Record times

        let expected =
            Array.init 4 (fun index ->
                let above = if index = 0 then -1.0 else bounds[index - 1]
                let upTo = if index = 3 then infinity else bounds[index]

                times
                |> List.filter (fun time -> time.TotalSeconds > above && time.TotalSeconds <= upTo)
                |> List.length
                |> int64)

        histogram.Read() = {
                               Counts = expected
                               Sum = List.fold (+) TimeSpan.Zero times
                           })

[<Fact>]
let ``what absorbs has both counts`` () =
    let a, b = Counters(), Counters()

    for counters in [ a; b; b ] do
        counters.Requests.Count("GET", 200)
        counters.Duration.Record(TimeSpan.FromSeconds 1.0)
        counters.Sent.Add 7L
        counters.Tried(Outcome.Reset "gone")

    b.Requests.Count("PUT", 500)
    a.Absorb b

    Assert.Equal<(string * int * int64) list>([ "GET", 200, 3L; "PUT", 500, 1L ], told a.Requests)
    Assert.Equal(3L, Distribution.total (a.Duration.Read()))
    Assert.Equal(TimeSpan.FromSeconds 3.0, (a.Duration.Read()).Sum)
    Assert.Equal(21L, a.Sent.Value)
    Assert.Equal(3L, Array.sum a.Failed)
    Assert.Equal(3L, a.Failed[Array.IndexOf(FailureCause.names, "reset")])
