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

    /// Waits for what ends the program: a signal, or another process that has taken over.
    let private untilRelieved (signals: Signals) (takeOver: TakeOver option) : Task =
        match takeOver with
        | None -> signals.First
        | Some takeOver -> Task.WhenAny(signals.First, takeOver.Relieved)

    let private serve (takeOver: TakeOver option) (source: ConfigSource) : Task<int> = task {
        use signals = new Signals()

        match! LoadBalancer.Start source with
        | Error failure -> return Complaint.start failure
        | Ok balancer ->
            use _ = signals.OnHangUp balancer.Reload
            use _ = signals.OnUser balancer.ReopenLogs
            balancer.CloseUnused()
            takeOver |> Option.iter balancer.Offer
            // Says nothing to anybody where systemd did not start the program.
            let systemd = SystemdNotifier()
            systemd.Notify ServiceState.Ready
            do! untilRelieved signals takeOver
            systemd.Notify ServiceState.Stopping
            let! _ = balancer.Stop()
            return 0
    }

    /// Exit code 0 after a graceful stop, 1 for a bad setting, 2 for a port that cannot be had. With a path, it
    /// takes over from the process that offers its sockets there, and offers its own.
    let balancer
        (environment: string -> string option)
        (path: string option)
        (source: ConfigSource)
        : Task<int> = task {
        ListenSockets.OfProcess.Manage(SocketActivation.take environment)

        match path |> Option.map TakeOver.Open with
        | None -> return! serve None source
        | Some(Error fault) -> return Complaint.settings [ fault ]
        | Some(Ok takeOver) ->
            use takeOver = takeOver
            ListenSockets.OfProcess.Inherit takeOver.Sockets
            ListenSockets.OfProcess.Manage takeOver.Managed
            return! serve (Some takeOver) source
    }
