namespace Conduit.Benchmarks

open BenchmarkDotNet.Attributes
open Conduit

/// What it costs the agent to publish one change.
[<MemoryDiagnoser(false)>]
type SnapshotBenchmarks() =

    let mutable before = Snapshot.empty
    let mutable after = State.empty

    [<Params(1, 1_000)>]
    member val Pools = 1 with get, set

    [<Params(3, 100, 1_000, 10_000)>]
    member val Backends = 3 with get, set

    [<GlobalSetup>]
    member this.Setup() =
        // As many in all, whatever the number of pools.
        let each = max 1 (this.Backends / this.Pools)

        let settings = {
            PoolSettings.defaults with
                Strategy = Strategy.LeastConnections
        }

        let state = Pools.state settings this.Pools each
        before <- Snapshot.next 1UL Snapshot.empty state
        after <- Pools.changed state 7

    [<Benchmark>]
    member _.Publish() = Snapshot.next 1UL before after
