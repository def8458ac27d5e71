namespace Conduit.AspNetCore

open System.Collections.Generic
open Conduit
open Conduit.Server

/// What Conduit does in an application.
[<Sealed>]
type ConduitOptions() =

    let mutable extensions = Extensions.none

    /// A configuration file, YAML or JSON, read once at the start. Its sections `listen`, `admin` and `log`
    /// mean nothing here: ports and logs are the application's.
    member val File: string | null = null with get, set

    /// The backends of the pool `default`, as in `http://localhost:8081;weight=3`; they replace those of the file.
    member val Backends = List<string>()

    /// Further keys of the configuration with their values, as in `retry.max_retries` and `1`; they go over
    /// what the file says.
    member val Settings = Dictionary<string, string>()

    /// Chooses the backends of a pool by a strategy of your own.
    member _.UseStrategy(pool: string, strategy: IStrategy) =
        extensions <- {
            extensions with
                Strategies = (pool, strategy) :: extensions.Strategies
        }

    /// Chooses the backends of the pool `default` by a strategy of your own.
    member this.UseStrategy(strategy: IStrategy) =
        this.UseStrategy(PoolName.value PoolName.defaultPool, strategy)

    /// Checks the backends of a pool in a way of your own.
    member _.UseCheck(pool: string, check: IBackendCheck) =
        extensions <- {
            extensions with
                Checks = (pool, check) :: extensions.Checks
        }

    /// Checks the backends of the pool `default` in a way of your own.
    member this.UseCheck(check: IBackendCheck) =
        this.UseCheck(PoolName.value PoolName.defaultPool, check)

    /// Tells an observer what happens to backends.
    member _.Observe(observer: IBackendObserver) =
        extensions <- {
            extensions with
                Observers = observer :: extensions.Observers
        }

    member internal _.Extensions = extensions

    member internal this.Source: ConfigSource = {
        File = Option.ofObj this.File
        Overlay = [
            if this.Backends.Count > 0 then
                Overlay.list [ "backends" ] "ConduitOptions.Backends" (System.String.Join(',', this.Backends))

            for KeyValue(key, text) in this.Settings do
                Overlay.value (List.ofArray (key.Split '.')) $"ConduitOptions.Settings[{key}]" text
        ]
    }
