namespace Conduit.Bench

open System
open System.Diagnostics
open Conduit.SystemTests

/// How long and how often.
type Plan = {
    Rounds: int
    /// Of one proxy in one round, and of its open-loop load.
    Seconds: int
    /// The load before the first round: programs that compile themselves as they run need it.
    WarmUp: int
    /// Rounds of open-loop load.
    LatencyRounds: int
}

/// A case, measured: all proxies run beside one another, and each round takes one after the other, so that
/// whatever the machine does in between meets all of them.
[<RequireQualifiedAccess>]
module Measure =

    let private throughput directory (case: Case) seconds (running: RunningPeer) = task {
        let before = running.Cpu()
        let! requests, rate, errors = Generator.closed directory case seconds running.Port
        let spent = running.Cpu() - before

        return
            {
                Cost = spent.TotalMicroseconds / float (max 1 requests)
                Rate = rate
                Errors = errors
            },
            requests
    }

    /// The order of a round: each begins with another one.
    let private turned round (all: 'T list) =
        let first = round % all.Length
        List.skip first all @ List.take first all

    let private start (origin: Origin) certificate (case: Case) (peer: Peer) =
        RunningPeer.Start(
            peer,
            {
                Port = Ports.free ()
                AdminPort = Ports.free ()
                Backends = origin.Ports
                Protocol = case.Protocol
                Certificate = certificate
                Directory = new TemporaryDirectory()
            }
        )

    let private medianRate (name: string) (rounds: (string * Throughput) list) =
        rounds
        |> List.filter (fst >> (=) name)
        |> List.map (snd >> _.Rate)
        |> Results.median

    /// Half of what HAProxy can do; without HAProxy, half of what the first one can.
    let private latencyRate (peers: Peer list) rounds =
        let name =
            if peers |> List.exists (fun peer -> peer.Name = "haproxy") then
                "haproxy"
            else
                peers.Head.Name

        int (medianRate name rounds / 2.0)

    /// Runs a case; the versions of the proxies are given.
    let run (plan: Plan) (versions: Map<string, string>) (peers: Peer list) (case: Case) = task {
        let clock = Stopwatch.StartNew()
        use directory = new TemporaryDirectory()
        let certificate = Certificate.make directory.Path
        use! origin = Origin.Start()
        let peers = peers |> List.filter (fun peer -> peer.Serves case)
        let mutable running: RunningPeer list = []

        try
            for peer in peers do
                let! started = start origin certificate case peer
                running <- running @ [ started ]

            for each in running do
                let! _ = Generator.closed directory case plan.WarmUp each.Port
                ()

            let mutable rounds = []
            let mutable allocated = Map.empty

            for round in 0 .. plan.Rounds - 1 do
                for each in turned round running do
                    let before = each.Allocated()
                    let! result, requests = throughput directory case plan.Seconds each

                    match before, each.Allocated() with
                    | Some before, Some after ->
                        allocated <-
                            Map.add each.Peer.Name (float (after - before) / float (max 1 requests)) allocated
                    | _ -> ()

                    rounds <- (each.Peer.Name, result) :: rounds

                    printfn
                        "%-10s %-8s round %d: %6.2f us/request, %7.0f requests/s, %d errors"
                        case.Name
                        each.Peer.Name
                        (round + 1)
                        result.Cost
                        result.Rate
                        result.Errors

            let rate = latencyRate peers rounds
            let isPaced = Generator.canPace case && plan.LatencyRounds > 0
            let mutable latencies = []

            if isPaced then
                for round in 0 .. plan.LatencyRounds - 1 do
                    for each in turned round running do
                        let! result = Generator.paced directory case rate plan.Seconds each.Port
                        latencies <- (each.Peer.Name, result) :: latencies

                        printfn
                            "%-10s %-8s at %d requests/s: p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms"
                            case.Name
                            each.Peer.Name
                            rate
                            result.P50
                            result.P99
                            result.P999

            let all name results =
                results |> List.filter (fst >> (=) name) |> List.map snd |> List.rev

            printfn "%-10s done in %.0f s" case.Name clock.Elapsed.TotalSeconds

            return {
                Case = case.Name
                Title = case.Title
                Date = DateTimeOffset.UtcNow
                Machine = Machine.describe ()
                Seconds = plan.Seconds
                LatencyRate = if isPaced then rate else 0
                Peers = [
                    for each in running ->
                        {
                            Peer = each.Peer.Name
                            Version = versions[each.Peer.Name]
                            Throughput = all each.Peer.Name rounds
                            Latency = all each.Peer.Name latencies
                            PeakMemory = each.PeakMemory()
                            Allocated = Map.tryFind each.Peer.Name allocated
                        }
                ]
            }
        finally
            for each in running do
                (each :> IDisposable).Dispose()
    }
