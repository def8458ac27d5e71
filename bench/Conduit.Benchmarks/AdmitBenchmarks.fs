namespace Conduit.Benchmarks

open System
open BenchmarkDotNet.Attributes
open Conduit

/// A token of a client's bucket, with so many clients that come by chance.
[<MemoryDiagnoser(false)>]
type LimiterBenchmarks() =

    let limiter =
        Limiter(
            {
                Rate = {
                    Tokens = 1_000_000
                    Period = TimeSpan.FromSeconds 1.0
                }
                Burst = 1_000_000
                By = LimitBy.Client
                Exempt = AddressSet.empty
                MaxKeys = 65_536
            },
            7UL
        )

    let mutable turn = 0UL

    [<Params(1, 1_000, 50_000, 1_000_000)>]
    member val Clients = 1 with get, set

    [<Benchmark>]
    member this.Take() =
        turn <- turn + 1UL
        let client = SplitMix.bits turn % uint64 this.Clients

        limiter.Take(UInt128.op_Implicit client, Instant.ofElapsed (TimeSpan.FromTicks(int64 turn))).Admitted

/// Whether a client is among those allowed, with so many networks.
[<MemoryDiagnoser(false)>]
type AllowBenchmarks() =

    let mutable settings = AdmissionSettings.everyone
    let mutable turn = 0UL

    [<Params(1, 100, 10_000)>]
    member val Networks = 1 with get, set

    [<GlobalSetup>]
    member this.Setup() =
        settings <- {
            AdmissionSettings.everyone with
                Allow =
                    AddressSet.union [
                        for number in 1 .. this.Networks do
                            match
                                AddressSet.parse "benchmark" $"10.{number / 256 % 256}.{number % 256}.0/25"
                            with
                            | Ok network -> network
                            | Error fault -> failwith (Fault.render fault)
                    ]
        }

    [<Benchmark>]
    member _.Allows() =
        turn <- turn + 1UL
        let client = 0xFFFF_0A00_0000UL + (SplitMix.bits turn &&& 0xFF_FFFFUL)
        AdmissionSettings.allows (UInt128.op_Implicit client) settings
