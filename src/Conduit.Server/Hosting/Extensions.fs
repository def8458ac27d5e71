namespace Conduit.Server

open Conduit

/// Hears what happens to backends, and to the configuration.
type IBackendObserver =
    /// Each event that `/api/v1/events` tells of, in order. It must be quick: news waits for it.
    abstract Happened: Wire.Event -> unit

/// What is supplied in code rather than in a configuration.
[<NoEquality; NoComparison>]
type Extensions = {
    /// With the name of the pool that each is for.
    Strategies: (string * IStrategy) list
    Checks: (string * IBackendCheck) list
    Observers: IBackendObserver list
}

[<RequireQualifiedAccess>]
module Extensions =

    let none = {
        Strategies = []
        Checks = []
        Observers = []
    }

    let private settings extensions (pool: PoolConfig) =
        let find all =
            all
            |> List.tryFind (fun (name, _) -> name = PoolName.value pool.Name)
            |> Option.map snd

        let strategy =
            find extensions.Strategies
            |> Option.map Strategy.Custom
            |> Option.defaultValue pool.Settings.Strategy

        let probe =
            find extensions.Checks
            |> Option.map Probe.Custom
            |> Option.defaultValue pool.Settings.Check.Probe

        {
            pool.Settings with
                Strategy = strategy
                Check = {
                    pool.Settings.Check with
                        Probe = probe
                }
        }

    /// A configuration with them in it. Faults name the pools that it does not have.
    let apply extensions (loaded: LoadedConfig) : Result<LoadedConfig, Fault list> =
        let config = loaded.Config
        let pools = config.Pools |> List.map (fun pool -> PoolName.value pool.Name)

        let strangers =
            List.map fst extensions.Strategies @ List.map fst extensions.Checks
            |> List.except pools

        match strangers with
        | [] ->
            Ok {
                loaded with
                    Config = {
                        config with
                            Pools =
                                config.Pools
                                |> List.map (fun pool -> {
                                    pool with
                                        Settings = settings extensions pool
                                })
                    }
            }
        | strangers ->
            let known = String.concat ", " pools

            strangers
            |> List.map (fun name ->
                Fault.create "extensions" $"there is no pool {Fault.quote name}" $"the pools are {known}")
            |> Error
