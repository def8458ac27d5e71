// Compares all strategies, and one that is written here, on one workload, in virtual time:
//
//     dotnet fsi build.fsx -- script simulate-strategies [--requests 20000] [--rate 220] [--seed 1]
//
// Three servers, of which one is four times slower and now and then takes very long, at about four fifths of what they can do.
#load "prelude.fsx"

open System
open Conduit
open Conduit.Simulation

let milliseconds (value: float) = TimeSpan.FromMilliseconds value

let fast = ServiceTime.LogNormal(milliseconds 8.0, 0.5)

let slow =
    ServiceTime.Mix [
        0.98, ServiceTime.LogNormal(milliseconds 32.0, 0.5)
        0.02, ServiceTime.Constant(milliseconds 400.0)
    ]

let workload = {
    Arrivals = Arrivals.Poisson(float (Prelude.number "rate" 220))
    Requests = Prelude.number "requests" 20_000
    Servers = [
        Server.create "fast-1" fast
        Server.create "fast-2" fast
        Server.create "slow" slow
    ]
    Seed = uint64 (Prelude.number "seed" 1)
}

/// A strategy of one's own: the first server that has nothing to do, else one by chance.
let idleFirst = {
    new IStrategy with
        member _.Name = "idle-first (of this script)"

        member _.Choose(candidates, _, chance) =
            match candidates |> Seq.tryFindIndex (fun server -> server.InFlight = 0) with
            | Some index -> index
            | None -> int (chance % uint64 candidates.Count)
}

let strategies = Strategy.all @ [ Strategy.Custom idleFirst ]

let results =
    strategies |> List.map (fun strategy -> Simulation.run strategy workload)

printfn "%s" (Report.comparison results)

let best =
    results
    |> List.minBy (fun result -> Simulation.percentile 0.99 result.Latencies)

let worst =
    results
    |> List.maxBy (fun result -> Simulation.percentile 0.99 result.Latencies)

for result in [ best; worst ] do
    printfn "%s" result.Strategy
    printfn "%s" (Report.distribution result)
    printfn "%s" (Report.latencies result)
