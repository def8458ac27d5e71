namespace Conduit

open System.Net

/// A backend whose name is resolved, and the addresses that it has: each is a backend of the pool.
type Followed = {
    Spec: BackendSpec
    Addresses: IPAddress list
}

/// A named set of backends with one set of policies.
type Pool = {
    Name: PoolName
    Settings: PoolSettings
    Backends: Map<BackendId, Backend>
    /// Those that stand for all addresses of a name.
    Names: Map<BackendId, Followed>
    /// The ordinal of the next backend that is added.
    NextOrdinal: int
}

/// News of one pool.
[<RequireQualifiedAccess>]
type PoolEvent =
    | Added of BackendSpec
    | Removed of BackendId
    /// A name is to be followed, or what is said of one has changed.
    | NameAdded of BackendSpec
    | NameRemoved of BackendId
    /// A name has just these addresses.
    | Resolved of BackendId * IPAddress list
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
    /// The pool has all backends that it begins with; none of them starts slowly.
    | Settled

[<RequireQualifiedAccess>]
module Pool =

    let create name settings = {
        Name = name
        Settings = settings
        Backends = Map.empty
        Names = Map.empty
        NextOrdinal = 0
    }

    let private update id change pool =
        match Map.tryFind id pool.Backends with
        | None -> pool
        | Some before ->
            let after = change before |> Backend.restart pool.Settings before

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

    /// `start` is what becomes of a backend that is new.
    let private add start now spec pool =
        if Map.containsKey spec.Id pool.Backends then
            pool
        else
            let backend = Backend.create now pool.NextOrdinal spec |> start

            {
                pool with
                    Backends = Map.add spec.Id backend pool.Backends
                    NextOrdinal = pool.NextOrdinal + 1
            }

    let private remove id pool =
        if Map.containsKey id pool.Backends then
            {
                pool with
                    Backends = Map.remove id pool.Backends
            }
        else
            pool

    /// The pool in which a name has these addresses: a backend that stays is not touched.
    let private reconcile now (followed: Followed) addresses pool =
        let idAt address = BackendId.at address followed.Spec.Id
        let gone = followed.Addresses |> List.except addresses
        let fresh = addresses |> List.except followed.Addresses

        if gone.IsEmpty && fresh.IsEmpty then
            pool
        else
            // The first addresses of a name are what it begins with.
            let start =
                if followed.Addresses.IsEmpty then
                    Backend.settle
                else
                    Backend.start pool.Settings

            let without =
                (pool, gone) ||> List.fold (fun pool address -> remove (idAt address) pool)

            let after =
                (without, fresh)
                ||> List.fold (fun pool address -> add start now (BackendSpec.at address followed.Spec) pool)

            {
                after with
                    Names =
                        Map.add
                            followed.Spec.Id
                            {
                                followed with
                                    Addresses = List.distinct addresses
                            }
                            pool.Names
            }

    /// The pool in which something else is said of a name: of another host or port nothing is known yet.
    let private rename now (before: Followed) spec pool =
        if before.Spec = spec then
            pool
        elif before.Spec.Url <> spec.Url then
            let after = reconcile now before [] pool

            {
                after with
                    Names = Map.add spec.Id { Spec = spec; Addresses = [] } after.Names
            }
        else
            let restated (backends: Map<BackendId, Backend>) address =
                backends
                |> Map.change
                    (BackendId.at address spec.Id)
                    (Option.map (fun backend -> {
                        backend with
                            Spec = BackendSpec.at address spec
                    }))

            {
                pool with
                    Names = Map.add spec.Id { before with Spec = spec } pool.Names
                    Backends = List.fold restated pool.Backends before.Addresses
            }

    /// Whether a backend is in the pool because a name has its address.
    let isOfName id pool =
        pool.Names
        |> Map.exists (fun name followed ->
            followed.Addresses
            |> List.exists (fun address -> BackendId.at address name = id))

    /// The pool after an event at an instant. News of a backend that is not in the pool changes
    /// nothing, nor does news of an epoch that is over; adding an id that is there changes nothing.
    /// What changes nothing gives back the very same value.
    let evolve now pool event =
        match event with
        | PoolEvent.Added spec -> add (Backend.start pool.Settings) now spec pool
        | PoolEvent.Removed id -> remove id pool
        | PoolEvent.NameAdded spec ->
            match Map.tryFind spec.Id pool.Names with
            | Some before -> rename now before spec pool
            | None -> {
                pool with
                    Names = Map.add spec.Id { Spec = spec; Addresses = [] } pool.Names
              }
        | PoolEvent.NameRemoved id ->
            match Map.tryFind id pool.Names with
            | Some followed ->
                let after = reconcile now followed [] pool

                {
                    after with
                        Names = Map.remove id after.Names
                }
            | None -> pool
        | PoolEvent.Resolved(id, addresses) ->
            match Map.tryFind id pool.Names with
            | Some followed -> reconcile now followed addresses pool
            | None -> pool
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
        | PoolEvent.Settled -> pool |> updateAll Backend.settle

    /// When time alone will change one of the backends: the first such instant.
    let due pool =
        (ValueNone, pool.Backends)
        ||> Map.fold (fun first _ backend -> Instant.first first (Backend.due pool.Settings backend))

    /// The backends in their order.
    let backends pool =
        pool.Backends |> Map.values |> Seq.sortBy _.Ordinal |> Seq.toArray
