namespace Conduit.Server

open System.IO
open System.Threading.Tasks
open Microsoft.Extensions.Hosting.Systemd

/// `conduit` itself: the balancer in the foreground, until a signal.
[<RequireQualifiedAccess>]
module Run =

    let private usual = [ "conduit.yaml"; "config.yaml"; "config.json" ]

    /// The configuration that was named, else, when no backends were named either, the first usual one
    /// that is in the working directory.
    let source (named: string option) overlay : ConfigSource =
        let namesBackends = overlay |> List.exists (fun (path, _) -> path = [ "backends" ])

        {
            File =
                match named with
                | Some _ -> named
                | None when namesBackends -> None
                | None -> usual |> List.tryFind File.Exists
            Overlay = overlay
        }

    /// Exit code 0 after a graceful stop, 1 for a bad setting, 2 for a port that cannot be had.
    let balancer (source: ConfigSource) : Task<int> = task {
        use signals = new Signals()

        match! LoadBalancer.Start source with
        | Error failure -> return Complaint.start failure
        | Ok balancer ->
            use _ = signals.OnHangUp balancer.Reload
            use _ = signals.OnUser balancer.ReopenLogs
            // Says nothing to anybody where systemd did not start the program.
            let systemd = SystemdNotifier()
            systemd.Notify ServiceState.Ready
            do! signals.First
            systemd.Notify ServiceState.Stopping
            let! _ = balancer.Stop()
            return 0
    }
