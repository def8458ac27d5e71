namespace Conduit

open System.Collections.Generic

/// A backend as the request path sees it: what was known of it when the snapshot was made, and its
/// live gauge.
[<ReferenceEquality>]
type Target = {
    Pool: PoolName
    Backend: Backend
    Gauge: Gauge
    /// The places for trials while its breaker is half-open; null otherwise.
    Trials: Trials | null
    /// Answers of these statuses count as failures.
    Failures: StatusSet
}

[<RequireQualifiedAccess>]
module Target =

    /// Takes a place for a trial where only trials are allowed; true where every request may go.
    let tryEnter target =
        match target.Trials with
        | null -> true
        | trials -> trials.TryEnter()

    /// Gives the place for a trial back.
    let leave target =
        match target.Trials with
        | null -> ()
        | trials -> trials.Leave()

/// What a strategy needs to choose among the available targets.
[<RequireQualifiedAccess; NoEquality; NoComparison>]
type Selector =
    | RoundRobin
    | Cycle of indices: int[]
    | Least of cycle: int[]
    | Random of AliasTable
    | TwoChoices of AliasTable

/// One pool, ready for choices. Immutable but for the gauges and the turn, which are atomics.
[<ReferenceEquality>]
type PoolView = {
    Source: Pool
    /// All backends in their order.
    Targets: Target[]
    /// Those that may get new requests.
    Available: Target[]
    /// Over `Available`.
    Selector: Selector
    Turn: Turn
    /// When time alone will change one of the backends.
    Due: Instant voption
    /// Sets this process' chances apart from those of another one.
    Seed: uint64
}

/// All that a request reads of the state. Replaced as a whole, never changed.
[<ReferenceEquality>]
type Snapshot = {
    /// Goes up by one with each snapshot.
    Version: int64
    Pools: PoolView[]
    ByName: Dictionary<PoolName, PoolView>
    Router: Router
    /// When time alone will change one of the pools.
    Due: Instant voption
}

[<RequireQualifiedAccess>]
module Snapshot =

    let empty = {
        Version = 0L
        Pools = [||]
        ByName = Dictionary()
        Router = Router.empty
        Due = ValueNone
    }

    /// Places for the trials of the breaker's life that the backend is in; those of an earlier life do not
    /// count.
    let private trials (settings: PoolSettings) (old: Target option) (backend: Backend) : Trials | null =
        match backend.Breaker, settings.Breaker, old with
        | Breaker.HalfOpen _,
          _,
          Some {
                   Trials = NonNull trials
                   Backend = before
               } when before.Epoch = backend.Epoch -> trials
        | Breaker.HalfOpen _, Some breaker, _ -> Trials breaker.HalfOpenLimit
        | _ -> null

    let private weights (available: Target[]) =
        available |> Array.map (fun target -> Weight.value target.Backend.Spec.Weight)

    let private selector strategy (weights: int[]) =

        match strategy with
        | Strategy.RoundRobin -> Selector.RoundRobin
        | Strategy.WeightedRoundRobin -> Selector.Cycle(SmoothCycle.ofWeights weights)
        | Strategy.LeastConnections -> Selector.Least(SmoothCycle.ofWeights weights)
        | Strategy.Random -> Selector.Random(AliasTable.ofWeights weights)
        | Strategy.PowerOfTwoChoices -> Selector.TwoChoices(AliasTable.ofWeights weights)

    let private view seed (previous: PoolView option) (pool: Pool) =
        let known =
            match previous with
            | Some view -> view.Targets |> Seq.map (fun target -> target.Backend.Spec.Id, target) |> dict
            | None -> dict []

        let target (backend: Backend) =
            match known.TryGetValue backend.Spec.Id with
            | true, old when
                obj.ReferenceEquals(old.Backend, backend)
                && old.Failures = PoolSettings.failureStatuses pool.Settings
                ->
                old
            | true, old when old.Backend.Spec.Url = backend.Spec.Url -> {
                old with
                    Backend = backend
                    Trials = trials pool.Settings (Some old) backend
                    Failures = PoolSettings.failureStatuses pool.Settings
              }
            | _ -> {
                Pool = pool.Name
                Backend = backend
                Gauge = Gauge()
                Trials = trials pool.Settings None backend
                Failures = PoolSettings.failureStatuses pool.Settings
              }

        let targets = Pool.backends pool |> Array.map target

        let available =
            targets |> Array.filter (fun target -> Backend.isAvailable target.Backend)

        {
            Source = pool
            Targets = targets
            Available = available
            Selector =
                match previous with
                | Some view when
                    view.Source.Settings.Strategy = pool.Settings.Strategy
                    && weights view.Available = weights available
                    ->
                    view.Selector
                | _ -> selector pool.Settings.Strategy (weights available)
            Turn =
                match previous with
                | Some view -> view.Turn
                | None -> Turn()
            Due = Pool.due pool
            Seed = seed
        }

    /// The snapshot of a state that follows another snapshot. A backend that is still there with the
    /// same URL keeps its gauge; a pool that did not change keeps its view.
    let next seed (previous: Snapshot) (state: State) =
        let viewOf (pool: Pool) =
            match previous.ByName.TryGetValue pool.Name with
            | true, before when obj.ReferenceEquals(before.Source, pool) -> before
            | true, before -> view seed (Some before) pool
            | _ -> view seed None pool

        let pools = state.Pools |> Map.values |> Seq.map viewOf |> Seq.toArray
        let byName = Dictionary<PoolName, PoolView>()

        for pool in pools do
            byName[pool.Source.Name] <- pool

        {
            Version = previous.Version + 1L
            Pools = pools
            ByName = byName
            Router = state.Router
            Due = pools |> Seq.map _.Due |> Seq.fold Instant.first ValueNone
        }

    /// The state that a snapshot shows.
    let state (snapshot: Snapshot) : State = {
        Pools =
            snapshot.Pools
            |> Seq.map (fun view -> view.Source.Name, view.Source)
            |> Map.ofSeq
        Router = snapshot.Router
    }

    /// The view of a pool.
    let pool (name: PoolName) (snapshot: Snapshot) : PoolView voption =
        match snapshot.ByName.TryGetValue name with
        | true, view -> ValueSome view
        | _ -> ValueNone

    /// The pool for requests that no route takes: `default`, or the only one where there are no routes.
    let fallback (snapshot: Snapshot) : PoolView voption =
        if snapshot.Pools.Length = 1 && snapshot.Router.Routes.IsEmpty then
            ValueSome snapshot.Pools[0]
        else
            pool PoolName.defaultPool snapshot
