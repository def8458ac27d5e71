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
    | SettingsSet of PoolSettings
    | AdminSet of BackendId * AdminState
    /// A health check passed (None) or failed for a reason.
    | Checked of BackendId * failure: string option
    /// A request told something of the backend in that epoch: None for a success.
    | Traffic of BackendId * epoch: int * failure: string option

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

    let private noteFailure failure backend =
        match failure with
        | Some _ when failure <> backend.LastFailure -> { backend with LastFailure = failure }
        | _ -> backend

    /// The pool after an event at an instant. News of a backend that is not in the pool changes
    /// nothing, nor does news of an epoch that is over; adding an id that is there changes nothing.
    /// What changes nothing gives back the very same value.
    let evolve now pool event =
        let thresholds = pool.Settings.Check.Thresholds

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
        | PoolEvent.SettingsSet settings -> { pool with Settings = settings }
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
        | PoolEvent.AdminSet(id, admin) -> pool |> update id (Backend.withAdmin now admin)
        | PoolEvent.Checked(id, failure) ->
            pool
            |> update id (fun backend ->
                backend
                |> Backend.withHealth now (Health.check thresholds failure.IsNone backend.Health)
                |> noteFailure failure)
        | PoolEvent.Traffic(id, epoch, failure) ->
            pool
            |> update id (fun backend ->
                if backend.Epoch <> epoch then
                    backend
                else
                    backend
                    |> Backend.withHealth now (Health.traffic thresholds failure.IsNone backend.Health)
                    |> noteFailure failure)

    /// The backends in their order.
    let backends pool =
        pool.Backends |> Map.values |> Seq.sortBy _.Ordinal |> Seq.toArray
