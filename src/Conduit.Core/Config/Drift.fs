namespace Conduit

/// A point in which the running state is not what the configuration says.
type Drift = {
    /// The path of the key: `pools.web.backends.a.weight`.
    Where: string
    /// What the file says; nothing where it does not have the point at all.
    Configured: string option
    /// What is in force.
    Running: string option
}

/// How far changes at run time have moved the state from its configuration.
[<RequireQualifiedAccess>]
module Drift =

    let private admin state =
        match state with
        | AdminState.Ready -> "ready"
        | AdminState.NotReady -> "not-ready"
        | AdminState.Draining -> "draining"
        | AdminState.Disabled -> "disabled"

    let private flag value = if value then "true" else "false"

    let private between where (spec: BackendSpec) (backend: Backend) = [
        let point key configured running =
            if configured <> running then
                [
                    {
                        Where = $"{where}.{key}"
                        Configured = Some configured
                        Running = Some running
                    }
                ]
            else
                []

        yield! point "url" (string spec.Url) (string backend.Spec.Url)
        yield! point "weight" (string (Weight.value spec.Weight)) (string (Weight.value backend.Spec.Weight))
        yield! point "backup" (flag spec.Backup) (flag backend.Spec.Backup)
        yield! point "state" "ready" (admin backend.Admin)
    ]

    let private inPool (config: PoolConfig) (pool: Pool) = [
        let where id =
            $"pools.{PoolName.value pool.Name}.backends.{BackendId.value id}"

        for spec in config.Backends |> List.filter (fun spec -> not spec.AllAddresses) do
            match Map.tryFind spec.Id pool.Backends with
            | Some backend -> yield! between (where spec.Id) spec backend
            | None -> {
                Where = where spec.Id
                Configured = Some(string spec.Url)
                Running = None
              }

        let configured = config.Backends |> Seq.map _.Id |> Set.ofSeq

        for backend in Pool.backends pool do
            if not (Set.contains backend.Spec.Id configured || Pool.isOfName backend.Spec.Id pool) then
                {
                    Where = where backend.Spec.Id
                    Configured = None
                    Running = Some(string backend.Spec.Url)
                }
    ]

    /// Every point in which they differ; none when nothing was changed at run time.
    let find (config: Config) (state: State) : Drift list =
        config.Pools
        |> List.collect (fun pool ->
            match Map.tryFind pool.Name state.Pools with
            | Some running -> inPool pool running
            | None -> [])
