namespace Conduit.Server

open System
open System.Diagnostics
open System.Reflection
open System.Runtime.InteropServices
open System.Threading

/// What metrics tell of the process and its runtime.
[<RequireQualifiedAccess>]
module ProcessFamilies =

    /// The program's version.
    let version =
        match Assembly.GetExecutingAssembly().GetCustomAttribute<AssemblyInformationalVersionAttribute>() with
        | null -> "unknown"
        | attribute -> attribute.InformationalVersion.Split('+')[0]

    let private ofProcess (figure: Process -> float) =
        Family.one (fun () ->
            use current = Process.GetCurrentProcess()
            figure current)

    let private collections () =
        seq { 0 .. GC.MaxGeneration }
        |> Seq.map (fun generation ->
            [ "generation", string generation ], float (GC.CollectionCount generation))

    let all: Family list = [
        Family.gauge "lb_build_info" "The program's version; always 1." (fun () ->
            Seq.singleton ([ "version", version; "runtime", RuntimeInformation.FrameworkDescription ], 1.0))
        Family.counter
            "process_cpu_seconds_total"
            "Processor time, in user and system mode."
            (ofProcess _.TotalProcessorTime.TotalSeconds)
        Family.gauge "process_resident_memory_bytes" "Resident memory." (ofProcess (_.WorkingSet64 >> float))
        Family.gauge
            "process_start_time_seconds"
            "When the process began, in seconds since 1970."
            (ofProcess (fun current ->
                float (DateTimeOffset(current.StartTime).ToUnixTimeMilliseconds()) / 1000.0))
        Family.gauge "process_open_fds" "Open file descriptors." (ofProcess (_.HandleCount >> float))
        Family.gauge "process_threads" "Threads." (ofProcess (_.Threads.Count >> float))
        Family.counter "dotnet_gc_collections_total" "Garbage collections." collections
        Family.counter
            "dotnet_gc_pause_seconds_total"
            "Time for which garbage collections have stopped the process."
            (Family.one (fun () -> GC.GetTotalPauseDuration().TotalSeconds))
        Family.counter
            "dotnet_gc_allocated_bytes_total"
            "Bytes allocated."
            (Family.one (fun () -> float (GC.GetTotalAllocatedBytes false)))
        Family.gauge
            "dotnet_gc_heap_bytes"
            "Size of the heap."
            (Family.one (fun () -> float (GC.GetTotalMemory false)))
        Family.gauge
            "dotnet_thread_pool_threads"
            "Threads of the pool."
            (Family.one (fun () -> float ThreadPool.ThreadCount))
        Family.gauge
            "dotnet_thread_pool_queue_length"
            "Work that waits for a thread."
            (Family.one (fun () -> float ThreadPool.PendingWorkItemCount))
        Family.counter
            "dotnet_lock_contentions_total"
            "Times that a thread had to wait for a lock."
            (Family.one (fun () -> float Monitor.LockContentionCount))
    ]
