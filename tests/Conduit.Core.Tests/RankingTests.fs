module Conduit.Tests.RankingTests

open System.Threading
open System.Threading.Tasks
open FsCheck
open Xunit
open Conduit

let private gauges count =
    let pool = Occupancy()
    Array.init count (fun _ -> Gauge pool)

let private isLightest (gauges: Gauge[]) (weights: int[]) tried index =
    let load i =
        gauges[i].InFlight * 1000 * 256 / weights[i]

    let free =
        Seq.filter (fun i -> not (Gauge.isAmong tried gauges[i])) (seq { 0 .. gauges.Length - 1 })

    if Seq.isEmpty free then
        Seq.forall (fun i -> load index <= load i) (seq { 0 .. gauges.Length - 1 })
    else
        not (Gauge.isAmong tried gauges[index])
        && Seq.forall (fun i -> load index <= load i) free

let private weightsOf (first: Weight) (rest: Weight list) =
    first :: rest |> List.map Weight.value |> List.toArray

[<Fact>]
let ``after any changes the first is the lightest of those that were not tried`` () =
    Property.check (fun (first: Weight) (rest: Weight list) (steps: (byte * bool) list) (tried: bool list) ->
        let weights = weightsOf first rest
        let gauges = gauges weights.Length
        let ranking = Ranking.Over(gauges, weights)

        let tried = [
            for gauge, isTried in Seq.zip gauges tried do
                if isTried then
                    gauge
        ]

        steps
        |> List.forall (fun (at, isMore) ->
            let gauge = gauges[int at % gauges.Length]

            if isMore || gauge.InFlight = 0 then
                gauge.Acquire()
            else
                gauge.Release()

            let struct (index, load) = ranking.Lightest tried
            load = gauges[index].InFlight && isLightest gauges weights tried index))

[<Fact>]
let ``a ranking that is new knows what is in flight, and of what is given back later`` () =
    let gauges = gauges 2
    gauges[0].Acquire()
    let before = Ranking.Over(gauges, [| 1; 1 |])
    Assert.Equal(struct (1, 0), before.Lightest [])
    let after = Ranking.Over(gauges, [| 1; 1 |])
    gauges[1].Acquire()
    gauges[1].Acquire()
    Assert.Equal(struct (0, 1), after.Lightest [])
    gauges[1].Release()
    gauges[1].Release()
    Assert.Equal(struct (1, 0), after.Lightest [])
    // Who still has the old one is told right too.
    Assert.Equal(struct (1, 0), before.Lightest [])

[<Fact>]
let ``what four threads take and give back at once leaves the order right`` () =
    Property.checkFew (fun (first: Weight) (rest: Weight list) ->
        let weights = weightsOf first rest
        let gauges = gauges weights.Length
        let mutable ranking = Ranking.Over(gauges, weights)
        use start = new Barrier 5

        let work number =
            Task.Factory.StartNew(
                (fun () ->
                    start.SignalAndWait()
                    let mutable held: Gauge list = []

                    for step in 1..500 do
                        let struct (index, load) = (Volatile.Read &ranking).Lightest []

                        if gauges[index].TryAcquire load then
                            held <- gauges[index] :: held

                        if SplitMix.bits (uint64 (step * 5 + number)) % 2UL = 0UL && not held.IsEmpty then
                            held.Head.Release()
                            held <- held.Tail

                    if number % 2 = 0 then
                        for gauge in held do
                            gauge.Release()),
                TaskCreationOptions.LongRunning
            )

        let workers = [| for number in 1..4 -> work number |]
        start.SignalAndWait()

        // Snapshots come and go meanwhile.
        for _ in 1..20 do
            Volatile.Write(&ranking, Ranking.Over(gauges, weights))

        Task.WaitAll workers
        let struct (index, load) = ranking.Lightest []
        load = gauges[index].InFlight && isLightest gauges weights [] index)
