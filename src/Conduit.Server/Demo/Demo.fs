namespace Conduit.Server.Demo

open System
open System.Diagnostics
open System.Net
open System.Threading
open System.Threading.Tasks
open Spectre.Console
open Conduit
open Conduit.Server
open Conduit.Server.Sample

/// `conduit demo`: three backends and a balancer in one process, a small load, and a live table.
[<RequireQualifiedAccess>]
module Demo =

    /// The third backend is slower, so that there is something to balance.
    let private delays = [ "app-1", 5.0; "app-2", 5.0; "app-3", 50.0 ]

    let private startBackends () =
        [
            for name, delay in delays ->
                SampleBackend.start {
                    Host = IPAddress.Loopback
                    Port = 0
                    Name = name
                    Delay = TimeSpan.FromMilliseconds delay
                }
        ]
        |> Task.WhenAll

    let private disposeAll (backends: RunningBackend[]) = {
        new IAsyncDisposable with
            member _.DisposeAsync() =
                backends
                |> Array.map (fun backend -> (backend :> IAsyncDisposable).DisposeAsync().AsTask())
                |> Task.WhenAll
                |> ValueTask
    }

    let private source (overlay: (string list * Node) list) (backends: RunningBackend[]) =
        let list =
            backends
            |> Array.map (fun backend -> $"{backend.Url};id={backend.Name}")
            |> String.concat ","

        {
            File = None
            Overlay =
                [
                    Overlay.list [ "backends" ] "demo" list
                    Overlay.value [ "listen"; "host" ] "demo" "127.0.0.1"
                    Overlay.value [ "strategy" ] "demo" "least-connections"
                    Overlay.value [ "health_check"; "path" ] "demo" "/healthz"
                    Overlay.value [ "health_check"; "interval" ] "demo" "1s"
                    // The table is what one looks at; only trouble may write over it.
                    Overlay.value [ "log"; "level" ] "demo" "error"
                ]
                @ overlay
        }

    let private headline (balancer: LoadBalancer) =
        let admin =
            match balancer.AdminUrl with
            | Some url -> $"statistics on {url}/stats"
            | None -> "no admin port"

        $"Balancing on {balancer.Url}, {admin}. Ctrl-C ends it."

    /// Draws the table until the first signal: in place on a terminal, else a block every two seconds.
    let private show (balancer: LoadBalancer) (stopping: CancellationToken) : Task = task {
        let rows = RowSource()
        let clock = Stopwatch.StartNew()

        let next () =
            rows.Next(
                Instant.ofElapsed clock.Elapsed,
                balancer.Agent.Current.Pools |> Array.collect _.Targets
            )

        let each (period: TimeSpan) draw : Task = task {
            try
                while true do
                    do! Task.Delay(period, stopping)
                    draw (next ())
            with :? OperationCanceledException ->
                ()
        }

        if AnsiConsole.Profile.Out.IsTerminal then
            do!
                AnsiConsole
                    .Live(LiveTable.live (next ()))
                    .StartAsync(fun live ->
                        each (TimeSpan.FromSeconds 0.5) (LiveTable.live >> live.UpdateTarget))
        else
            do! each (TimeSpan.FromSeconds 2.0) LiveTable.plain
    }

    let private serve (signals: Signals) withLoad (source: ConfigSource) = task {
        match! LoadBalancer.Start source with
        | Error failure -> return Complaint.start failure
        | Ok balancer ->
            printfn "%s" (headline balancer)
            use stopping = new CancellationTokenSource()

            let load =
                if withLoad then
                    Load.run balancer.Url stopping.Token
                else
                    Task.CompletedTask

            let table = show balancer stopping.Token
            do! signals.First
            stopping.Cancel()
            do! Task.WhenAll(load, table)
            let! _ = balancer.Stop()
            return 0
    }

    /// Runs until a signal. Exit code 0, 1 for a bad setting, 2 for a port that cannot be had.
    let run overlay withLoad : Task<int> = task {
        use signals = new Signals()
        let! backends = startBackends ()
        use _ = disposeAll backends
        return! serve signals withLoad (source overlay backends)
    }
