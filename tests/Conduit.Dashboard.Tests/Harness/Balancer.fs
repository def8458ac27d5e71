namespace Conduit.DashboardTests

open System
open System.Diagnostics
open System.IO
open System.Net.Http
open System.Text
open System.Threading.Tasks
open Conduit.SystemTests

/// A real Conduit over a file of its own, which can be stopped and started again on the same ports.
[<Sealed>]
type Balancer(directory: TemporaryDirectory, pools: string, admin: string) =
    let port, adminPort = Ports.free (), Ports.free ()
    let file = directory.File "conduit.yaml"
    let client = new HttpClient()
    let mutable child: Child option = None

    let write (pools: string) =
        File.WriteAllText(
            file,
            $"listen: {{ host: 127.0.0.1, port: {port} }}\nadmin: {{ port: {adminPort}{admin} }}\npools:\n{pools}"
        )

    do write pools

    /// A pool of the file, with health checks and a breaker that find out soon.
    static member Pool(name: string, strategy: string, backends: (string * string * int) seq) =
        let quoted (text: string) = "'" + text.Replace("'", "''") + "'"

        let lines = [
            for id, url, weight in backends -> $"      - {{ id: {quoted id}, url: {url}, weight: {weight} }}"
        ]

        $"  {name}:\n    strategy: {strategy}\n"
        + "    health_check: { path: /healthz, interval: 150ms, timeout: 1s, rise: 1, fall: 1 }\n"
        + "    circuit_breaker: { failure_threshold: 3, reset_timeout: 2s, half_open_limit: 1 }\n"
        + "    backends:\n"
        + String.concat "\n" lines
        + "\n"

    member _.Traffic = $"http://127.0.0.1:{port}/"
    member _.Admin = $"http://127.0.0.1:{adminPort}"

    /// Replaces the pools of the file, which is then read on its own or when somebody asks for it.
    member _.Write pools = write pools

    member _.Start() : Task = task {
        let started = Executable.start [ "--config"; file ] []
        child <- Some started
        do! Executable.ready started adminPort
    }

    /// The processor time that it has used.
    member _.ProcessorTime =
        match child with
        | Some running ->
            use observed = Process.GetProcessById running.Id
            observed.TotalProcessorTime
        | None -> TimeSpan.Zero

    member _.Kill() : Task = task {
        match child with
        | Some running ->
            child <- None
            (running :> IDisposable).Dispose()
        | None -> ()
    }

    /// A change past the dashboard.
    member this.Patch(pool: string, id: string, json: string) : Task = task {
        let path = $"{this.Admin}/api/v1/pools/{pool}/backends/{Uri.EscapeDataString id}"

        use! answer =
            client.PatchAsync(path, new StringContent(json, Encoding.UTF8, "application/json"))

        answer.EnsureSuccessStatusCode() |> ignore
    }

    interface IAsyncDisposable with
        member this.DisposeAsync() =
            ValueTask(
                task {
                    do! this.Kill()
                    client.Dispose()
                }
                :> Task
            )
