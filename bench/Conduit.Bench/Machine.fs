namespace Conduit.Bench

open System
open System.IO
open System.Runtime.InteropServices

/// The machine that figures belong to.
[<RequireQualifiedAccess>]
module Machine =

    let private field (file: string) (name: string) =
        File.ReadLines file
        |> Seq.tryFind (fun line -> line.StartsWith(name, StringComparison.Ordinal))
        |> Option.map (fun line -> line.Substring(line.IndexOf ':' + 1).Trim())
        |> Option.defaultValue "unknown"

    /// One line: processors, memory, kernel, system, runtime.
    let describe () =
        let memory =
            (field "/proc/meminfo" "MemTotal").Replace(" kB", "")
            |> Int64.Parse
            |> fun size -> size / 1024L / 1024L

        let kernel = (File.ReadAllText "/proc/sys/kernel/osrelease").Trim()
        let system = (field "/etc/os-release" "PRETTY_NAME").Split('"')
        let model = field "/proc/cpuinfo" "model name"

        $"{Environment.ProcessorCount} x {model}, {memory} GiB, {Array.last (Array.filter ((<>) String.Empty) system)}, "
        + $"Linux {kernel}, {RuntimeInformation.FrameworkDescription}"
