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
    | InPool of PoolName * PoolEvent

/// What an event did to a backend that an operator would want to know.
[<RequireQualifiedAccess>]
type Change =
    | Added of PoolName * BackendSpec
    | Removed of PoolName * BackendSpec
    | WentUp of PoolName * BackendSpec
    | WentDown of PoolName * BackendSpec * reason: string
    | AdminChanged of PoolName * BackendSpec * AdminState
    | WeightChanged of PoolName * BackendSpec

[<RequireQualifiedAccess>]
module State =

    let empty = {
        Pools = Map.empty
        Router = Router.empty
    }

    let evolve now state event =
        match event with
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

    let private backendOf event =
        match event with
        | Event.PoolCreated _
        | Event.PoolRemoved _
        | Event.RoutesSet _ -> None
        | Event.InPool(name, news) ->
            match news with
            | PoolEvent.SettingsSet _ -> None
            | PoolEvent.Added spec -> Some(name, spec.Id)
            | PoolEvent.Removed id
            | PoolEvent.WeightSet(id, _)
            | PoolEvent.AdminSet(id, _)
            | PoolEvent.Checked(id, _)
            | PoolEvent.Traffic(id, _, _) -> Some(name, id)

    let private between name (before: Backend) (after: Backend) = [
        match Health.isUp before.Health, Health.isUp after.Health with
        | true, false ->
            Change.WentDown(name, after.Spec, after.LastFailure |> Option.defaultValue "no reason given")
        | false, true -> Change.WentUp(name, after.Spec)
        | _ -> ()
        if before.Admin <> after.Admin then
            Change.AdminChanged(name, after.Spec, after.Admin)
        if before.Spec.Weight <> after.Spec.Weight then
            Change.WeightChanged(name, after.Spec)
    ]

    /// What `event` changed between the state before it and the state after it.
    let changes before after event =
        match event, backendOf event with
        | Event.PoolRemoved name, _ ->
            match Map.tryFind name before.Pools with
            | Some pool -> [ for backend in Pool.backends pool -> Change.Removed(name, backend.Spec) ]
            | None -> []
        | _, None -> []
        | _, Some(name, id) ->
            let find state =
                state.Pools |> Map.tryFind name |> Option.bind (_.Backends >> Map.tryFind id)

            match find before, find after with
            | None, None -> []
            | None, Some added -> [ Change.Added(name, added.Spec) ]
            | Some removed, None -> [ Change.Removed(name, removed.Spec) ]
            | Some before, Some after when obj.ReferenceEquals(before, after) -> []
            | Some before, Some after -> between name before after
