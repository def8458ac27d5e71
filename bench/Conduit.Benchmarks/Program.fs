module Conduit.Benchmarks.Program

open System.Reflection
open BenchmarkDotNet.Configs
open Perfolizer.Horology
open BenchmarkDotNet.Jobs
open BenchmarkDotNet.Running
open BenchmarkDotNet.Toolchains.InProcess.Emit

[<EntryPoint>]
let main argv =
    // In this process: the benchmarks share nothing that could disturb them, and it saves a build for each.
    // Short, so that a row takes about two seconds: what is asked is how costs grow, and what is allocated.
    let job =
        Job.Default
            .WithToolchain(InProcessEmitToolchain.Instance)
            .WithWarmupCount(3)
            .WithIterationCount(7)
            .WithIterationTime(TimeInterval.FromMilliseconds 100.0)

    let config = DefaultConfig.Instance.AddJob job

    BenchmarkSwitcher.FromAssembly(Assembly.GetExecutingAssembly()).Run(argv, config)
    |> ignore

    0
