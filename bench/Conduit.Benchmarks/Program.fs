module Conduit.Benchmarks.Program

open System.Reflection
open BenchmarkDotNet.Configs
open BenchmarkDotNet.Jobs
open BenchmarkDotNet.Running
open BenchmarkDotNet.Toolchains.InProcess.Emit

[<EntryPoint>]
let main argv =
    // In this process: the benchmarks share nothing that could disturb them, and it saves a build for each.
    let job = Job.Default.WithToolchain InProcessEmitToolchain.Instance
    let config = DefaultConfig.Instance.AddJob job

    BenchmarkSwitcher.FromAssembly(Assembly.GetExecutingAssembly()).Run(argv, config)
    |> ignore

    0
