namespace Conduit.Benchmarks

open System
open BenchmarkDotNet.Attributes
open Conduit

/// A way to choose, by the name that its row has.
type Way = {
    Name: string
    Strategy: Strategy
    Table: HashTable
} with

    override this.ToString() = this.Name

[<RequireQualifiedAccess>]
module Way =

    /// Every strategy, and those that hash over both tables.
    let all = [|
        for strategy in Strategy.all do
            let way = {
                Name = Strategy.name strategy
                Strategy = strategy
                Table = HashTable.Maglev
            }

            match strategy with
            | Strategy.IpHash -> ()
            | Strategy.Hash ->
                { way with Name = "hash, maglev" }

                {
                    way with
                        Name = "hash, ring"
                        Table = HashTable.Ring
                }
            | _ -> way
    |]

/// The choice of a backend, and with it the lease of a place.
[<MemoryDiagnoser(false)>]
type PickBenchmarks() =

    let mutable view = Unchecked.defaultof<PoolView>
    let mutable key = 0UL

    static member val Ways = Way.all

    [<ParamsSource("Ways")>]
    member val Way = Way.all[0] with get, set

    [<Params(3, 100, 1_000, 10_000)>]
    member val Backends = 3 with get, set

    [<GlobalSetup>]
    member this.Setup() =
        view <-
            Pools.view
                {
                    PoolSettings.defaults with
                        Strategy = this.Way.Strategy
                        Hash = {
                            PoolSettings.defaults.Hash with
                                Table = this.Way.Table
                        }
                }
                this.Backends

        // Times that differ, so that they are reckoned with: 1, 4, 16 and 64 ms.
        for index, target in Seq.indexed view.Targets do
            target.Gauge.Paced(Pools.now, TimeSpan.FromMilliseconds(4.0 ** float (index % 4)), false)

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
