namespace Conduit

/// A named set of backends with one set of policies.
type Pool = {
    Name: PoolName
    Settings: PoolSettings
    Backends: Map<BackendId, Backend>
    /// The ordinal of the next backend that is added.
    NextOrdinal: int
}

/// News of one pool.
[<RequireQualifiedAccess>]
type PoolEvent =
    | Added of BackendSpec
    | Removed of BackendId
    | WeightSet of BackendId * Weight
    | BackupSet of BackendId * bool
    | SettingsSet of PoolSettings
    | AdminSet of BackendId * AdminState
    /// A health check passed (None) or failed for a reason.
    | Checked of BackendId * failure: string option
    /// A request told something of the backend in that epoch.
    | Traffic of BackendId * epoch: int * Evidence
    /// Time has gone by.
    | Ticked

[<RequireQualifiedAccess>]
module Pool =

    let create name settings = {
        Name = name
        Settings = settings
        Backends = Map.empty
        NextOrdinal = 0
    }

    let private update id change pool =
        match Map.tryFind id pool.Backends with
        | None -> pool
        | Some before ->
            let after = change before

            if obj.ReferenceEquals(before, after) then
                pool
            else
                {
                    pool with
                        Backends = Map.add id after pool.Backends
                }

    /// The pool with every backend changed; the very same where none is.
    let private updateAll change pool =
        let changed = pool.Backends |> Map.map (fun _ backend -> change backend)

        if Map.forall (fun id backend -> obj.ReferenceEquals(backend, Map.find id pool.Backends)) changed then
            pool
        else
            { pool with Backends = changed }

    /// The pool after an event at an instant. News of a backend that is not in the pool changes
    /// nothing, nor does news of an epoch that is over; adding an id that is there changes nothing.
    /// What changes nothing gives back the very same value.
    let evolve now pool event =
        match event with
        | PoolEvent.Added spec when Map.containsKey spec.Id pool.Backends -> pool
        | PoolEvent.Added spec -> {
            pool with
                Backends = Map.add spec.Id (Backend.create now pool.NextOrdinal spec) pool.Backends
                NextOrdinal = pool.NextOrdinal + 1
          }
        | PoolEvent.Removed id when Map.containsKey id pool.Backends -> {
            pool with
                Backends = Map.remove id pool.Backends
          }
        | PoolEvent.Removed _ -> pool
        | PoolEvent.SettingsSet settings when settings = pool.Settings -> pool
        | PoolEvent.SettingsSet settings ->
            { pool with Settings = settings } |> updateAll (Backend.tick now settings)
        | PoolEvent.WeightSet(id, weight) ->
            pool
            |> update id (fun backend ->
                if backend.Spec.Weight = weight then
                    backend
                else
                    {
                        backend with
                            Spec = { backend.Spec with Weight = weight }
                    })
        | PoolEvent.BackupSet(id, backup) ->
            pool
            |> update id (fun backend ->
                if backend.Spec.Backup = backup then
                    backend
                else
                    {
                        backend with
                            Spec = { backend.Spec with Backup = backup }
                    })
        | PoolEvent.AdminSet(id, admin) -> pool |> update id (Backend.withAdmin now admin)
        | PoolEvent.Checked(id, failure) -> pool |> update id (Backend.check now pool.Settings failure)
        | PoolEvent.Traffic(id, epoch, evidence) ->
            pool |> update id (Backend.traffic now pool.Settings epoch evidence)
        | PoolEvent.Ticked -> pool |> updateAll (Backend.tick now pool.Settings)

    /// When time alone will change one of the backends: the first such instant.
    let due pool =
        (ValueNone, pool.Backends)
        ||> Map.fold (fun first _ backend -> Instant.first first (Backend.due backend))

    /// The backends in their order.
    let backends pool =
        pool.Backends |> Map.values |> Seq.sortBy _.Ordinal |> Seq.toArray
