namespace Conduit

/// All pools, and the way to them: what the agent owns.
type State = {
    Pools: Map<PoolName, Pool>
    Router: Router
}

/// News of one pool of the state.
[<RequireQualifiedAccess>]
type Event =
    | PoolCreated of PoolName * PoolSettings
    | PoolRemoved of PoolName
    | RoutesSet of Router
    /// Time has gone by, for all pools.
    | Ticked
    | InPool of PoolName * PoolEvent

/// What an event did to a backend that an operator would want to know.
[<RequireQualifiedAccess>]
type Change =
    | Added of PoolName * BackendSpec
    | Removed of PoolName * BackendSpec
    | WentUp of PoolName * BackendSpec
    | WentDown of PoolName * BackendSpec * reason: string
    | AdminChanged of PoolName * BackendSpec * AdminState
    /// The breaker opened, became half-open or closed; `reason` is why it opened.
    | BreakerTurned of PoolName * BackendSpec * Breaker * reason: string option
    | WeightChanged of PoolName * BackendSpec

[<RequireQualifiedAccess>]
module State =

    let empty = {
        Pools = Map.empty
        Router = Router.empty
    }

    let rec evolve now state event =
        match event with
        | Event.Ticked ->
            state.Pools
            |> Map.keys
            |> Seq.fold (fun state name -> evolve now state (Event.InPool(name, PoolEvent.Ticked))) state
        | Event.PoolCreated(name, _) when Map.containsKey name state.Pools -> state
        | Event.PoolCreated(name, settings) -> {
            state with
                Pools = Map.add name (Pool.create name settings) state.Pools
          }
        | Event.PoolRemoved name when Map.containsKey name state.Pools -> {
            state with
                Pools = Map.remove name state.Pools
          }
        | Event.RoutesSet router -> { state with Router = router }
        | Event.PoolRemoved _ -> state
        | Event.InPool(name, news) ->
            match Map.tryFind name state.Pools with
            | None -> state
            | Some before ->
                let after = Pool.evolve now before news

                if obj.ReferenceEquals(before, after) then
                    state
                else
                    {
                        state with
                            Pools = Map.add name after state.Pools
                    }

    let private between name (before: Backend) (after: Backend) = [
        match Health.isUp before.Health, Health.isUp after.Health with
        | true, false ->
            Change.WentDown(name, after.Spec, after.LastFailure |> Option.defaultValue "no reason given")
        | false, true -> Change.WentUp(name, after.Spec)
        | _ ->
            if Breaker.isTurn before.Breaker after.Breaker then
                let reason =
                    if Breaker.isOpen after.Breaker then
                        after.LastFailure
                    else
                        None

                Change.BreakerTurned(name, after.Spec, after.Breaker, reason)
        if before.Admin <> after.Admin then
            Change.AdminChanged(name, after.Spec, after.Admin)
        if before.Spec.Weight <> after.Spec.Weight then
            Change.WeightChanged(name, after.Spec)
    ]

    let private ofBackend name (before: Pool) (after: Pool) id =
        match Map.tryFind id before.Backends, Map.tryFind id after.Backends with
        | None, None -> []
        | None, Some added -> [ Change.Added(name, added.Spec) ]
        | Some removed, None -> [ Change.Removed(name, removed.Spec) ]
        | Some before, Some after when obj.ReferenceEquals(before, after) -> []
        | Some before, Some after -> between name before after

    /// Those that are in the pool before and after.
    let private ofAll name (before: Pool) (after: Pool) =
        if obj.ReferenceEquals(before, after) then
            []
        else
            after
            |> Pool.backends
            |> Seq.collect (fun backend -> ofBackend name before after backend.Spec.Id)
            |> List.ofSeq

    /// Those that are in the pool before or after.
    let private ofEither name (before: Pool) (after: Pool) =
        if obj.ReferenceEquals(before, after) then
            []
        else
            Seq.append (Pool.backends before) (Pool.backends after)
            |> Seq.map _.Spec.Id
            |> Seq.distinct
            |> Seq.collect (ofBackend name before after)
            |> List.ofSeq

    /// What `event` changed between the state before it and the state after it.
    let changes before after event =
        let inPool name of' =
            match Map.tryFind name before.Pools, Map.tryFind name after.Pools with
            | Some before, Some after -> of' before after
            | _ -> []

        match event with
        | Event.PoolCreated _
        | Event.RoutesSet _ -> []
        | Event.PoolRemoved name ->
            match Map.tryFind name before.Pools with
            | Some pool -> [ for backend in Pool.backends pool -> Change.Removed(name, backend.Spec) ]
            | None -> []
        | Event.Ticked ->
            after.Pools
            |> Map.keys
            |> Seq.collect (fun name -> inPool name (ofAll name))
            |> List.ofSeq
        | Event.InPool(name, news) ->
            match news with
            | PoolEvent.SettingsSet _
            | PoolEvent.Ticked
            | PoolEvent.Settled -> inPool name (ofAll name)
            | PoolEvent.NameAdded _
            | PoolEvent.NameRemoved _
            | PoolEvent.Resolved _ -> inPool name (ofEither name)
            | PoolEvent.Added spec -> inPool name (fun before after -> ofBackend name before after spec.Id)
            | PoolEvent.Removed id
            | PoolEvent.WeightSet(id, _)
            | PoolEvent.BackupSet(id, _)
            | PoolEvent.AdminSet(id, _)
            | PoolEvent.Checked(id, _)
            | PoolEvent.Traffic(id, _, _) -> inPool name (fun before after -> ofBackend name before after id)
