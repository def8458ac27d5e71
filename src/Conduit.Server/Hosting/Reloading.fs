namespace Conduit.Server

open System
open System.Threading.Tasks
open Conduit

/// Replacing the configuration of a running balancer.
[<RequireQualifiedAccess>]
module internal Reloading =

    let private stopping =
        Fault.create "reload" "the program is stopping" "start it again"

    /// The configuration of a source, which was just read from it.
    let configuration (parts: Parts) source loaded =
        Configuration(
            source,
            loaded,
            {
                Agent = parts.Agent
                Events = parts.Events
                Clock = TimeProvider.System
                Extend = Extensions.apply parts.Extensions
                Log = parts.Log
            }
        )

    /// Reads the source again. A port that changed is opened before anything else changes, and once the
    /// program stops none is opened any more. Names that are new are followed from now on.
    let reload (parts: Parts) (configuration: Configuration) (port: TrafficPort) () = task {
        let! outcome =
            configuration.Reload(fun loaded -> task {
                if parts.Stopping.IsCancellationRequested then
                    return Error [ stopping ]
                else
                    match AccessLog.Check loaded.Config.AccessLog with
                    | Error faults -> return Error faults
                    | Ok() ->
                        let! moved = port.Move(loaded, loaded.Config.DrainTimeout)

                        return
                            moved
                            |> Result.map (fun enter () ->
                                enter ()
                                parts.AccessLog.Apply loaded.Config.AccessLog)
            })

        if outcome.IsOk then
            do! parts.Resolver.Sync configuration.Current.Resolver

        return outcome
    }

    /// The same for those who do not wait for an answer: the log has it.
    let inBackground (parts: Parts) (reload: unit -> Task<Result<ReloadReport, Fault list>>) : Task =
        Background.run parts.Log "A reload" (fun () -> reload ())

    /// Reloads when the file has changed, until the balancer stops.
    let watch (parts: Parts) (source: ConfigSource) (configuration: Configuration) reload : Task =
        match source.File with
        | None -> Task.CompletedTask
        | Some file ->
            Background.run parts.Log "Watching the configuration" (fun () ->
                ConfigWatcher.watch
                    TimeProvider.System
                    file
                    (fun () -> configuration.Tried)
                    (fun () -> inBackground parts reload)
                    parts.Stopping.Token)

    /// Follows the files of the certificates, until the balancer stops.
    let watchCertificates (parts: Parts) (entrance: Entrance) : Task =
        Background.run parts.Log "Watching the certificates" (fun () -> entrance.Watch parts.Stopping.Token)
