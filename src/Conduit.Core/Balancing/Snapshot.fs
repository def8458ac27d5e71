namespace Conduit

open System
open System.Collections.Generic

/// What hashing goes by.
[<NoEquality; NoComparison>]
type Keyed = {
    Map: KeyMap
    /// What the map names, whatever their health: a backend that is out for a while gives away no keys but
    /// its own, and gets just those back.
    Members: Target[]
    /// The weight of each member that may get new requests, 0 for the others.
    Shares: int[]
    /// The sum of the shares.
    Total: int64
    /// As in `HashSettings`.
    BalanceFactor: int
}

/// What a strategy needs to choose among the available targets.
[<RequireQualifiedAccess; NoEquality; NoComparison>]
type Selector =
    | RoundRobin
    | Cycle of indices: int[]
    | Least of Ranking
    | Random of AliasTable
    | TwoChoices of AliasTable
    | Peak of AliasTable
    | Keyed of Keyed
    | Custom of IStrategy

/// One pool, ready for choices. Immutable but for the gauges, the ranking and the turn, which are not
/// replaced but change.
[<ReferenceEquality>]
type PoolView = {
    Source: Pool
    /// All backends in their order.
    Targets: Target[]
    /// The same by their ids.
    ById: Dictionary<BackendId, Target>
    /// Those that may get new requests: of the backups only while no other one is known to work.
    Available: Target[]
    /// The shares of those available, in their order: their weights, less what a slow start takes of them.
    Weights: int[]
    /// Over `Available`.
    Selector: Selector
    Turn: Turn
    Budget: BudgetCell
    /// Where requests wait for a place; null where there is no limit.
    Line: WaitingLine | null
    /// When time alone will change one of the backends.
    Due: Instant voption
    /// Requests in flight over all targets.
    InFlight: Occupancy
    /// Requests that were admitted and have not ended.
    Admitted: Occupancy
    /// Its rate limit; null for none.
    Limiter: Limiter | null
    /// Its sessions by address; null where it has none.
    Sessions: Sessions | null
    Rejections: Rejections
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

    let private weightOf (target: Target) = Weight.value target.Backend.Spec.Weight

    /// Those that new requests are for, whatever their health: the backups only while none of the others works
    /// and one of them is available. One whose breaker is half-open takes a few trials and no more: the backups
    /// stand beside it until it has passed them.
    let private tierOf (targets: Target[]) =
        let all = targets |> Array.filter (fun target -> Backend.hasShare target.Backend)
        let backups, primaries = all |> Array.partition _.Backend.Spec.Backup

        let isAvailable (target: Target) = Backend.isAvailable target.Backend

        let works (target: Target) =
            isAvailable target && target.Backend.Breaker.IsClosed

        if Array.exists works primaries || not (Array.exists isAvailable backups) then
            primaries
        elif Array.exists isAvailable primaries then
            all
        else
            backups

    let private names (members: Target[]) =
        members
        |> Array.map (fun target -> BackendId.value target.Backend.Spec.Id, weightOf target)

    /// Large pools have large maps, which only other members and other settings change.
    let private keyMap table (previous: PoolView option) (members: Target[]) =
        match previous with
        | Some {
                   Selector = Selector.Keyed keyed
                   Source = before
               } when before.Settings.Hash.Table = table && names keyed.Members = names members -> keyed.Map
        | _ -> KeyMap.ofMembers table (names members)

    let private keyed (settings: HashSettings) previous (members: Target[]) =
        let shares =
            members
            |> Array.map (fun target ->
                if Backend.isAvailable target.Backend then
                    weightOf target
                else
                    0)

        Selector.Keyed {
            Map = keyMap settings.Table previous members
            Members = members
            Shares = shares
            Total = shares |> Array.sumBy int64
            BalanceFactor = settings.BalanceFactor
        }

    let private selector (settings: PoolSettings) previous tier (available: Target[]) (weights: int[]) =
        match settings.Strategy with
        | Strategy.RoundRobin when (Array.distinct weights).Length < 2 -> Selector.RoundRobin
        | Strategy.RoundRobin
        | Strategy.WeightedRoundRobin -> Selector.Cycle(SmoothCycle.ofWeights weights)
        | Strategy.LeastConnections -> Selector.Least(Ranking.Over(available |> Array.map _.Gauge, weights))
        | Strategy.Random -> Selector.Random(AliasTable.ofWeights weights)
        | Strategy.PowerOfTwoChoices -> Selector.TwoChoices(AliasTable.ofWeights weights)
        | Strategy.Custom own -> Selector.Custom own
        | Strategy.PeakEwma -> Selector.Peak(AliasTable.ofWeights weights)
        | Strategy.IpHash
        | Strategy.Hash -> keyed settings.Hash previous tier

    /// A cycle of a total above this is not made longer for the sake of a slow start.
    let private largestTotal = 10_000

    /// The shares of those available. A slow start counts in tenths, but not where keys would move with it.
    let private sharesOf strategy (available: Target[]) =
        let weights =
            match strategy with
            | Strategy.RoundRobin -> Array.create available.Length 1
            | _ -> available |> Array.map weightOf

        let isWhole = available |> Array.forall (fun target -> target.Backend.Tenths = 10)

        match strategy with
        | Strategy.Hash
        | Strategy.IpHash -> weights
        | _ when isWhole -> weights
        | _ ->
            // Only a cycle is as long as the total of its weights.
            let unit =
                match strategy with
                | Strategy.RoundRobin
                | Strategy.WeightedRoundRobin when Array.sum weights > largestTotal -> 10
                | _ -> 1

            (weights, available)
            ||> Array.map2 (fun weight target -> max 1 (weight * target.Backend.Tenths / unit))

    /// Whether the selector of the view before still is the right one.
    let private isSame (before: PoolView) (settings: PoolSettings) (available: Target[]) (weights: int[]) =
        match before.Selector with
        | Selector.Keyed _ -> false
        | _ ->
            before.Source.Settings.Strategy = settings.Strategy
            && before.Weights = weights
            && Array.forall2 (fun a b -> obj.ReferenceEquals(a.Gauge, b.Gauge)) before.Available available

    /// What a backend of which nothing is known is thought to take: the median of the others.
    let private assumed (known: Target seq) (backend: Backend) =
        let paces = [|
            for target in known do
                if Pace.isKnown target.Gauge.Pace then
                    Pace.at backend.Since target.Gauge.Pace
        |]

        if paces.Length = 0 then
            Pace.unknown
        else
            Array.sortInPlace paces
            Pace.start backend.Since paces[paces.Length / 2]

    /// Whether buckets of the limit before are worth as much under the next one.
    let private keepsBuckets (before: RateLimit) (next: RateLimit) =
        { before with Exempt = next.Exempt } = next

    /// Another rate, or other keys, begin with full buckets; other exemptions change none.
    let private limiter seed (previous: PoolView option) (settings: AdmissionSettings) : Limiter | null =
        match previous, settings.RateLimit with
        | _, None -> null
        | Some { Limiter = NonNull limiter }, Some limit when keepsBuckets limiter.Limit limit ->
            limiter.With limit
        | _, Some limit -> Limiter(limit, seed)

    /// A table of another size begins without sessions.
    let private sessions seed (previous: PoolView option) (sticky: StickySettings option) : Sessions | null =
        match previous, sticky with
        | Some { Sessions = NonNull sessions }, Some({ By = StickyBy.Client } as sticky) when
            sessions.Settings.MaxSessions = sticky.MaxSessions
            ->
            sessions.With sticky
        | _, Some({ By = StickyBy.Client } as sticky) -> Sessions(sticky, seed)
        | _ -> null

    let private byId (targets: Target[]) =
        let found = Dictionary<BackendId, Target>(targets.Length)

        for target in targets do
            found[target.Backend.Spec.Id] <- target

        found

    let private view seed (previous: PoolView option) (pool: Pool) =
        let known =
            match previous with
            | Some view -> view.ById
            | None -> Dictionary()

        let inFlight =
            match previous with
            | Some view -> view.InFlight
            | None -> Occupancy()

        let settings = pool.Settings
        let failures = PoolSettings.failureStatuses settings

        let most =
            match settings.Limit with
            | Some limit -> limit.Most
            | None -> Int32.MaxValue

        let line: WaitingLine | null =
            match settings.Limit, previous with
            | None, _ -> null
            | Some _, Some { Line = NonNull line } -> line
            | Some _, _ -> WaitingLine()

        let isUnchanged (old: Target) backend =
            obj.ReferenceEquals(old.Backend, backend)
            && old.Failures = failures
            && old.Most = most
            && obj.ReferenceEquals(old.Line, line)
            && old.Upstream = settings.Upstream

        let target (backend: Backend) =
            match known.TryGetValue backend.Spec.Id with
            | true, old when isUnchanged old backend -> old
            | true, old when old.Backend.Spec.Url = backend.Spec.Url -> {
                old with
                    Backend = backend
                    Trials = trials settings (Some old) backend
                    Failures = failures
                    Most = most
                    Line = line
                    Upstream = settings.Upstream
              }
            | _ ->
                let gauge = Gauge inFlight
                gauge.Assume(assumed known.Values backend)

                {
                    Pool = pool.Name
                    Backend = backend
                    Gauge = gauge
                    Trials = trials settings None backend
                    Failures = failures
                    Most = most
                    Line = line
                    Upstream = settings.Upstream
                }

        let targets = Pool.backends pool |> Array.map target
        let tier = tierOf targets

        let available =
            tier |> Array.filter (fun target -> Backend.isAvailable target.Backend)

        let weights = sharesOf pool.Settings.Strategy available

        {
            Source = pool
            Targets = targets
            ById = byId targets
            Available = available
            Weights = weights
            Selector =
                match previous with
                | Some view when isSame view pool.Settings available weights -> view.Selector
                | _ -> selector pool.Settings previous tier available weights
            Turn =
                match previous with
                | Some view -> view.Turn
                | None -> Turn()
            Budget =
                match previous with
                | Some view -> view.Budget
                | None -> BudgetCell()
            Line = line
            Due = Pool.due pool
            InFlight = inFlight
            Admitted =
                match previous with
                | Some view -> view.Admitted
                | None -> Occupancy()
            Limiter = limiter seed previous pool.Settings.Admission
            Sessions = sessions seed previous pool.Settings.Sticky
            Rejections =
                match previous with
                | Some view -> view.Rejections
                | None -> Rejections()
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
