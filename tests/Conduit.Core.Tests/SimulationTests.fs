module Conduit.Tests.SimulationTests

open System
open FsCheck.FSharp
open Xunit
open Conduit
open Conduit.Simulation

let private milliseconds (value: float) = TimeSpan.FromMilliseconds value

let private workloads =
    Gen.map4
        (fun servers requests arrivals seed -> {
            Arrivals = arrivals
            Requests = requests
            Servers =
                servers
                |> List.mapi (fun index (weight, workers) -> {
                    Server.create $"server-{index}" (ServiceTime.LogNormal(milliseconds 10.0, 1.0)) with
                        Weight = weight
                        Workers = workers
                })
            Seed = uint64 (seed: int)
        })
        (Gen.nonEmptyListOf (Gen.zip (Gen.choose (1, 5)) (Gen.choose (1, 3))))
        (Gen.choose (1, 300))
        (Gen.elements [
            Arrivals.Steady 200.0
            Arrivals.Poisson 500.0
            Arrivals.Clients(7, milliseconds 3.0)
        ])
        (Gen.choose (0, 1000))
    |> Arb.fromGen

let private strategies = Gen.elements Strategy.all |> Arb.fromGen

let private runs = Arb.zip (workloads, strategies)

[<Fact>]
let ``every request is answered once, and the servers' figures add up`` () =
    Property.check (
        Prop.forAll runs (fun (workload, strategy) ->
            let result = Simulation.run strategy workload

            result.Latencies.Length = workload.Requests
            && (result.Servers |> List.sumBy _.Requests) = workload.Requests
            && (result.Servers |> Seq.collect _.Latencies |> Seq.sort |> Seq.toArray) = result.Latencies
            && result.Servers
               |> List.forall (fun server -> server.Busy >= 0.0 && server.Busy <= 1.0 + 1e-9)
            && Array.last result.Latencies <= result.Duration)
    )

[<Fact>]
let ``the same workload gives the same result`` () =
    Property.check (
        Prop.forAll runs (fun (workload, strategy) ->
            Simulation.run strategy workload = Simulation.run strategy workload)
    )

let private oneServer perSecond requests = {
    Arrivals = Arrivals.Poisson perSecond
    Requests = requests
    Servers = [ Server.create "only" (ServiceTime.Exponential(milliseconds 10.0)) ]
    Seed = 7UL
}

let private mean (latencies: TimeSpan[]) =
    latencies |> Array.averageBy _.TotalMilliseconds

/// A queue with one server, Poisson arrivals and exponential service (M/M/1): the mean time in it is
/// 1 / (service rate - arrival rate).
[<Theory>]
[<InlineData(50.0, 20.0)>]
[<InlineData(80.0, 50.0)>]
let ``one server behaves as the theory of queues says`` (perSecond: float) (expected: float) =
    let result = Simulation.run Strategy.RoundRobin (oneServer perSecond 200_000)

    let found = mean result.Latencies
    Assert.True(abs (found - expected) < 0.05 * expected, $"{found} ms, not {expected} ms")
    Assert.Equal(perSecond / 100.0, (List.exactlyOne result.Servers).Busy, 0.02)

[<Fact>]
let ``clients wait for their answers: so many requests are in flight at most`` () =
    let workload = {
        oneServer 1.0 1000 with
            Arrivals = Arrivals.Clients(5, TimeSpan.Zero)
    }

    let result = Simulation.run Strategy.Random workload
    Assert.Equal(5, (List.exactlyOne result.Servers).MostInFlight)

let private uneven = {
    Arrivals = Arrivals.Poisson 150.0
    Requests = 20_000
    Servers = [
        Server.create "fast" (ServiceTime.Constant(milliseconds 5.0))
        Server.create "slow" (ServiceTime.Constant(milliseconds 12.0))
    ]
    Seed = 1UL
}

[<Fact>]
let ``round robin shares evenly, and least-connections spares a slow server`` () =
    let shares strategy =
        (Simulation.run strategy uneven).Servers |> List.map _.Requests

    Assert.Equal<int list>([ 10_000; 10_000 ], shares Strategy.RoundRobin)

    match shares Strategy.LeastConnections with
    | [ fast; slow ] -> Assert.True(fast > slow + 1_000, $"{fast} and {slow}")
    | other -> failwith $"{other}"

let private own choose =
    Strategy.Custom
        {
            new IStrategy with
                member _.Name = "own"
                member _.Choose(candidates, turn, chance) = choose candidates turn chance
        }

[<Fact>]
let ``a strategy of one's own chooses, by the live figures`` () =
    let result =
        Simulation.run
            (own (fun candidates _ _ ->
                candidates
                |> Seq.indexed
                |> Seq.minBy (fun (_, each) -> each.InFlight, each.Requests)
                |> fst))
            uneven

    Assert.Equal("own", result.Strategy)
    Assert.True(result.Servers.Head.Requests > 10_000)

[<Theory>]
[<InlineData(-1)>]
[<InlineData(2)>]
[<InlineData(Int32.MaxValue)>]
let ``a strategy of one's own that points nowhere leaves the choice to round robin`` (index: int) =
    let result = Simulation.run (own (fun _ _ _ -> index)) uneven
    Assert.Equal<int list>([ 10_000; 10_000 ], result.Servers |> List.map _.Requests)

[<Fact>]
let ``the report has a line for each strategy and each server`` () =
    let results =
        [ Strategy.RoundRobin; Strategy.Random ]
        |> List.map (fun each -> Simulation.run each uneven)

    let lines (text: string) = text.TrimEnd('\n').Split '\n'
    let comparison = lines (Report.comparison results)
    Assert.Equal(3, comparison.Length)
    Assert.StartsWith("round-robin", comparison[1])
    Assert.StartsWith("random", comparison[2])
    let distribution = lines (Report.distribution results.Head)
    Assert.Equal(3, distribution.Length)
    Assert.Contains("50.0 %", distribution[1])
    Assert.EndsWith(String('#', 20), distribution[1])

    let counted =
        lines (Report.latencies results.Head)
        |> Array.sumBy (fun line -> int (line.Substring(12, 8).Trim()))

    Assert.Equal(20_000, counted)

[<Fact>]
let ``a workload that makes no sense is refused`` () =
    let refuses workload =
        Assert.Throws<ArgumentException>(fun () -> Simulation.run Strategy.Random workload |> ignore)
        |> ignore

    refuses { uneven with Servers = [] }
    refuses { uneven with Requests = 0 }

    refuses {
        uneven with
            Servers = [ { uneven.Servers.Head with Workers = 0 } ]
    }

    refuses {
        uneven with
            Servers = [
                {
                    uneven.Servers.Head with
                        Weight = 1000
                }
            ]
    }
