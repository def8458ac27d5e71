module Conduit.Tests.StateTests

open Xunit
open Conduit

let private steps (history: Event list) =
    ((State.empty, []), history)
    ||> List.fold (fun (before, steps) event ->
        let after = State.evolve Pools.now before event
        after, (before, event, after) :: steps)
    |> snd
    |> List.rev

[<Fact>]
let ``what changes nothing gives back the very same state`` () =
    Property.check (fun (history: Event list) ->
        steps history
        |> List.forall (fun (before, _, after) -> before <> after || obj.ReferenceEquals(before, after)))

[<Fact>]
let ``a pool is the fold of its own news, whatever happens to the others`` () =
    Property.check (fun (history: Event list) ->
        let state = Pools.fold State.empty history

        state.Pools
        |> Map.forall (fun name pool ->
            let own =
                history
                |> List.filter (fun event ->
                    match event with
                    | Event.PoolCreated(named, _)
                    | Event.PoolRemoved named
                    | Event.InPool(named, _) -> named = name
                    | Event.Ticked -> true
                    | Event.RoutesSet _ -> false)

            (Pools.fold State.empty own).Pools = Map.ofList [ name, pool ]))

[<Fact>]
let ``an event leaves the other pools the very same`` () =
    Property.check (fun (history: Event list) ->
        steps history
        |> List.forall (fun (before, event, after) ->
            let isMeant name =
                match event with
                | Event.PoolCreated(named, _)
                | Event.PoolRemoved named
                | Event.InPool(named, _) -> name = named
                | Event.Ticked -> true
                | Event.RoutesSet _ -> false

            before.Pools
            |> Map.forall (fun name pool -> isMeant name || obj.ReferenceEquals(pool, after.Pools[name]))))

[<Fact>]
let ``the first settings of a pool stay`` () =
    Property.check (fun name first second ->
        let state =
            Pools.fold State.empty [ Event.PoolCreated(name, first); Event.PoolCreated(name, second) ]

        state.Pools[name].Settings = first)

/// What an operator who is told only the changes knows of a backend.
type private Known = {
    Up: bool
    Admin: AdminState
    Weight: Weight
    Breaker: string
}

let private learn known change =
    let edit name (spec: BackendSpec) edit =
        known |> Map.change (name, spec.Id) (Option.map edit)

    match change with
    | Change.Added(name, spec) ->
        known
        |> Map.add (name, spec.Id) {
            Up = true
            Admin = AdminState.Ready
            Weight = spec.Weight
            Breaker = "closed"
        }
    | Change.Removed(name, spec) -> known |> Map.remove (name, spec.Id)
    | Change.WentUp(name, spec) ->
        edit name spec (fun each -> {
            each with
                Up = true
                Breaker = "closed"
        })
    | Change.WentDown(name, spec, _) ->
        edit name spec (fun each -> {
            each with
                Up = false
                Breaker = "closed"
        })
    | Change.BreakerTurned(name, spec, breaker, _) ->
        edit name spec (fun each -> {
            each with
                Breaker = Breaker.name breaker
        })
    | Change.AdminChanged(name, spec, admin) -> edit name spec (fun each -> { each with Admin = admin })
    | Change.WeightChanged(name, spec) -> edit name spec (fun each -> { each with Weight = spec.Weight })

[<Fact>]
let ``the changes tell all of what an operator would see`` () =
    Property.check (fun (history: Event list) ->
        let told =
            steps history
            |> List.collect (fun (before, event, after) -> State.changes before after event)

        let actual =
            Map.ofList [
                for KeyValue(name, pool) in (Pools.fold State.empty history).Pools do
                    for backend in Pool.backends pool do
                        (name, backend.Spec.Id),
                        {
                            Up = Health.isUp backend.Health
                            Admin = backend.Admin
                            Weight = backend.Spec.Weight
                            Breaker = Breaker.name backend.Breaker
                        }
            ]

        List.fold learn Map.empty told = actual)

[<Fact>]
let ``an event that changes nothing is not told of, and none is told of twice`` () =
    Property.check (fun (history: Event list) ->
        steps history
        |> List.forall (fun (before, event, after) ->
            let changes = State.changes before after event

            match event with
            | _ when obj.ReferenceEquals(before, after) -> changes.IsEmpty
            | Event.Ticked
            | Event.InPool(_, PoolEvent.NameAdded _)
            | Event.InPool(_, PoolEvent.NameRemoved _)
            | Event.InPool(_, PoolEvent.Resolved _)
            | Event.InPool(_, PoolEvent.Ticked) -> changes = List.distinct changes
            | _ -> changes.Length <= 1))

[<Fact>]
let ``a backend that goes down is told with the reason`` () =
    Property.check (fun (history: Event list) ->
        steps history
        |> List.forall (fun (before, event, after) ->
            match State.changes before after event, event with
            | [ Change.WentDown(name, spec, reason) ], Event.InPool(named, news) ->
                let isReason =
                    match news with
                    | PoolEvent.Checked(id, Some failure)
                    | PoolEvent.Traffic(id, _, Evidence.Failed failure) -> id = spec.Id && failure = reason
                    | _ -> false

                name = named && isReason
            | _ -> true))
