module Conduit.Tests.SnapshotTests

open Xunit
open Conduit

/// A snapshot after each burst of events, with the one before it and the states of both.
let private published (bursts: Event list list) =
    ((State.empty, Snapshot.next 7UL Snapshot.empty State.empty, []), bursts)
    ||> List.fold (fun (state, snapshot, steps) burst ->
        let after = Pools.fold state burst
        let next = Snapshot.next 7UL snapshot after
        after, next, ((state, snapshot), (after, next)) :: steps)
    |> fun (_, _, steps) -> List.rev steps

let private find name snapshot =
    match Snapshot.pool name snapshot with
    | ValueSome view -> Some view
    | ValueNone -> None

let private same a b = obj.ReferenceEquals(a, b)

[<Fact>]
let ``a snapshot shows each pool of the state, and all of its backends in their order`` () =
    Property.check (fun (bursts: Event list list) ->
        published bursts
        |> List.forall (fun (_, (state, snapshot)) ->
            snapshot.Pools.Length = state.Pools.Count
            && state.Pools
               |> Map.forall (fun name pool ->
                   match find name snapshot with
                   | None -> false
                   | Some view ->
                       same view.Source pool
                       && (view.Targets, Pool.backends pool)
                          ||> Array.forall2 (fun target backend ->
                              same target.Backend backend && target.Pool = name))))

[<Fact>]
let ``the available targets are the primaries that are, and the backups only while none of those works`` () =
    Property.check (fun (bursts: Event list list) ->
        published bursts
        |> List.forall (fun (_, (_, snapshot)) ->
            snapshot.Pools
            |> Array.forall (fun view ->
                let available =
                    view.Targets |> Array.filter (fun each -> Backend.isAvailable each.Backend)

                let primaries = available |> Array.filter (fun each -> not each.Backend.Spec.Backup)

                let expected =
                    if primaries |> Array.exists _.Backend.Breaker.IsClosed then
                        primaries
                    else
                        available

                view.Available.Length = expected.Length
                && Array.forall2 same view.Available expected)))

[<Fact>]
let ``a gauge stays with its id and URL, and with nothing else`` () =
    Property.check (fun (bursts: Event list list) ->
        published bursts
        |> List.forall (fun ((_, before), (_, after)) ->
            after.Pools
            |> Array.forall (fun view ->
                let old =
                    match find view.Source.Name before with
                    | Some view -> view.Targets
                    | None -> [||]

                view.Targets
                |> Array.forall (fun target ->
                    old
                    |> Array.forall (fun other ->
                        let spec, otherSpec = target.Backend.Spec, other.Backend.Spec
                        let isSame = spec.Id = otherSpec.Id && spec.Url = otherSpec.Url
                        same target.Gauge other.Gauge = isSame)))))

[<Fact>]
let ``an id that comes back keeps its gauge at the same URL, and begins anew at another`` () =
    Property.check (fun settings (before: BackendSpec) (after: BackendSpec) ->
        let after = { after with Id = before.Id }

        let bursts = [
            [
                Event.PoolCreated(PoolName.defaultPool, settings)
                Pools.inDefault (PoolEvent.Added before)
            ]
            [
                Pools.inDefault (PoolEvent.Removed before.Id)
                Pools.inDefault (PoolEvent.Added after)
            ]
        ]

        match published bursts with
        | [ _; (_, before'), (_, after') ] ->
            let gauge (snapshot: Snapshot) = snapshot.Pools[0].Targets[0].Gauge
            same (gauge before') (gauge after') = (before.Url = after.Url)
        | _ -> false)

[<Fact>]
let ``no two backends share a gauge`` () =
    Property.check (fun (bursts: Event list list) ->
        published bursts
        |> List.forall (fun (_, (_, snapshot)) ->
            let gauges = snapshot.Pools |> Array.collect _.Targets |> Array.map _.Gauge

            gauges
            |> Array.indexed
            |> Array.forall (fun (i, gauge) ->
                gauges[i + 1 ..] |> Array.forall (fun other -> not (same gauge other)))))

[<Fact>]
let ``a pool that did not change keeps its view, and one that did keeps its turn`` () =
    Property.check (fun (bursts: Event list list) ->
        published bursts
        |> List.forall (fun ((stateBefore, before), (_, after)) ->
            after.Pools
            |> Array.forall (fun view ->
                match Map.tryFind view.Source.Name stateBefore.Pools, find view.Source.Name before with
                | Some pool, Some old when same pool view.Source -> same old view
                | Some _, Some old -> not (same old view) && same old.Turn view.Turn
                | _ -> true)))

[<Fact>]
let ``each snapshot is one version newer`` () =
    Property.check (fun (bursts: Event list list) ->
        published bursts
        |> List.forall (fun ((_, before), (_, after)) -> after.Version = before.Version + 1L))

[<Fact>]
let ``a pool that is not there is not found`` () =
    Assert.True((Snapshot.pool PoolName.defaultPool Snapshot.empty).IsNone)

let private settingsOf admission sticky = {
    PoolSettings.defaults with
        Admission = admission
        Sticky = sticky
}

/// The view of an empty pool with these settings, and with those that come after them.
let private views before after =
    let created = [ Event.PoolCreated(PoolName.defaultPool, before) ]
    let changed = [ Pools.inDefault (PoolEvent.SettingsSet after) ]

    match published [ created; changed ] with
    | [ _, (_, first); _, (_, second) ] -> first.Pools[0], second.Pools[0]
    | other -> failwith $"{other.Length} steps"

let private oneEach exempt : RateLimit = {
    Rate = {
        Tokens = 1
        Period = System.TimeSpan.FromHours 1.0
    }
    Burst = 1
    By = LimitBy.Client
    Exempt = exempt
    MaxKeys = 1024
}

[<Fact>]
let ``other exemptions fill no bucket, and another rate fills all`` () =
    let limited limit =
        settingsOf
            {
                PoolSettings.defaults.Admission with
                    RateLimit = Some limit
            }
            None

    let exempt =
        match AddressSet.parse "test" "10.0.0.1" with
        | Ok set -> set
        | Error fault -> failwith (Fault.render fault)

    let isAdmitted (view: PoolView) =
        match view.Limiter with
        | null -> failwith "there is no limiter"
        | limiter -> limiter.Take(System.UInt128.One, Pools.now).Admitted

    let same, other =
        limited (oneEach exempt),
        limited {
            oneEach AddressSet.empty with
                Burst = 2
        }

    for after, isFull in [ same, false; other, true ] do
        let before, after = views (limited (oneEach AddressSet.empty)) after
        Assert.True(isAdmitted before)
        Assert.Equal(isFull, isAdmitted after)

        match after.Limiter, after.Source.Settings.Admission.RateLimit with
        | NonNull limiter, Some limit -> Assert.Equal(limit, limiter.Limit)
        | _ -> failwith "there is no limiter"

[<Fact>]
let ``another timeout ends no session by address, and has its say from the next use on`` () =
    let seconds (value: float) = System.TimeSpan.FromSeconds value

    let by timeout =
        settingsOf
            PoolSettings.defaults.Admission
            (Some {
                By = StickyBy.Client
                Timeout = timeout
                MaxSessions = 1024
                CleanupInterval = None
                Key = None
            })

    let before, after = views (by (seconds 10.0)) (by (seconds 100.0))

    match before.Sessions, after.Sessions with
    | NonNull before, NonNull after ->
        let find later =
            after.Find(System.UInt128.One, Instant.add (seconds later) Pools.now)

        before.Begin(System.UInt128.One, Make.backendId "a", Pools.now)
        Assert.Equal(ValueSome(Make.backendId "a"), find 5.0)
        Assert.Equal(ValueSome(Make.backendId "a"), find 90.0)
        Assert.Equal(ValueNone, find 200.0)
    | _ -> failwith "there are no sessions"
