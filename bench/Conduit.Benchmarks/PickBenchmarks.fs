namespace Conduit.Benchmarks

open System
open BenchmarkDotNet.Attributes
open Conduit

/// The choice of a backend by each strategy, and with it the lease of a place.
[<MemoryDiagnoser(false)>]
type PickBenchmarks() =

    let mutable view = Unchecked.defaultof<PoolView>
    let mutable key = 0UL

    static member val Strategies = List.toArray Strategy.all

    [<ParamsSource("Strategies")>]
    member val Strategy = Strategy.RoundRobin with get, set

    [<Params(3, 100, 1_000, 10_000)>]
    member val Backends = 3 with get, set

    [<GlobalSetup>]
    member this.Setup() =
        view <- Pools.view this.Strategy this.Backends

    [<Benchmark>]
    member _.TakeAndSettle() =
        key <- key + 0x9E3779B97F4A7C15UL

        let demand = {
            Now = Pools.now
            Key = key
            Tried = []
        }

        match Lease.take demand view with
        | ValueSome target ->
            Lease.settle ignore (Outcome.Answered 200) (TimeSpan.FromMilliseconds 1.0) target
        | ValueNone -> failwith "no backend"
