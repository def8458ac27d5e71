namespace Conduit.Server

open System
open System.Threading
open System.Threading.Tasks
open Conduit

/// What is in force, and how the last attempt to change it went.
type private Standing = {
    Loaded: LoadedConfig
    Version: int
    LoadedAt: DateTimeOffset
    Changes: string list
    LastFailure: FailedLoad option
}

/// What the configuration needs of the program to take effect.
type ConfigurationPorts = {
    Agent: Agent
    Events: ControlEvents
    Clock: TimeProvider
    /// Puts in what is supplied in code.
    Extend: LoadedConfig -> Result<LoadedConfig, Fault list>
    Log: Log
}

/// Brings the traffic port of another configuration into being, before anything else changes; gives
/// what then ends the old one. A fault leaves everything as it was.
type MoveListener = LoadedConfig -> Task<Result<unit -> unit, Fault list>>

/// IMPURE: keeps the configuration in force, and replaces it.
[<Sealed>]
type Configuration(source: ConfigSource, first: LoadedConfig, ports: ConfigurationPorts) =

    let writing = new SemaphoreSlim(1, 1)

    let load () =
        ConfigSource.load source |> Result.bind ports.Extend

    let mutable standing = {
        Loaded = first
        Version = 1
        LoadedAt = ports.Clock.GetUtcNow()
        Changes = []
        LastFailure = None
    }

    let mutable tried = first.Stamp

    let refuse faults =
        let failure = {
            At = ports.Clock.GetUtcNow()
            Faults = faults
        }

        Volatile.Write(
            &standing,
            {
                standing with
                    LastFailure = Some failure
            }
        )

        ports.Log.ReloadRefused faults
        ports.Events.Publish(ControlEvent.ReloadFailed faults)
        Error faults

    /// What a configuration that was just read changes of the running state.
    let newsOf standing (loaded: LoadedConfig) =
        Reload.events standing.Loaded.Config loaded.Config
        |> Reload.against (Snapshot.state ports.Agent.Current)

    let apply (loaded: LoadedConfig) events endOldListener = task {
        let before, after = standing.Loaded.Config, loaded.Config
        let! _ = ports.Agent.Update events

        let report = {
            Version = standing.Version + 1
            Changes = Reload.report before after events
        }

        Volatile.Write(
            &standing,
            {
                Loaded = loaded
                Version = report.Version
                LoadedAt = ports.Clock.GetUtcNow()
                Changes = report.Changes
                LastFailure = None
            }
        )

        endOldListener ()
        ports.Log.Doubts after
        ports.Log.Reloaded(report.Version, report.Changes)
        ports.Events.Publish(ControlEvent.Reloaded report)
        return Ok report
    }

    /// The configuration in force.
    member _.Current = (Volatile.Read &standing).Loaded.Config

    /// Held while the state is read and then changed by hand, so that no reload comes between.
    member _.Writing = writing

    /// The stamp of the file when it was last read, well or not.
    member _.Tried: FileStamp option = Volatile.Read &tried

    /// Waits for the change that is being made, if there is one.
    member _.Settled() : Task = task {
        do! writing.WaitAsync()
        writing.Release() |> ignore
    }

    member _.Status: ConfigStatus =
        let standing = Volatile.Read &standing

        {
            Version = standing.Version
            LoadedAt = standing.LoadedAt
            Source = source.File
            Hash = standing.Loaded.Hash
            Changes = standing.Changes
            LastFailure = standing.LastFailure
        }

    /// What a reload would do now. Changes nothing, and is no attempt: what it finds is for who asked.
    member _.Preview() : Result<ReloadReport, Fault list> =
        let standing = Volatile.Read &standing

        load ()
        |> Result.map (fun loaded -> {
            Version = standing.Version + 1
            Changes = newsOf standing loaded |> Reload.report standing.Loaded.Config loaded.Config
        })

    /// Reads the source again and applies what changed in it. Any fault leaves everything as it was.
    member _.Reload(move: MoveListener) : Task<Result<ReloadReport, Fault list>> = task {
        do! writing.WaitAsync()

        try
            Volatile.Write(&tried, source.File |> Option.bind FileStamp.read)

            match load () with
            | Error faults -> return refuse faults
            | Ok loaded ->
                let events = newsOf standing loaded

                match! move loaded with
                | Error faults -> return refuse faults
                | Ok endOldListener -> return! apply loaded events endOldListener
        finally
            writing.Release() |> ignore
    }
