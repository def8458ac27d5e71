namespace Conduit.Server

open System.Collections.Generic
open Conduit

/// The gauges that one backend of a pool has had, the present one among them if it is in the pool.
type LedgerEntry = {
    Pool: PoolName
    /// The backend's URL, or `removed` for the sum of those that were removed long ago.
    Backend: string
    Gauges: Gauge list
}

/// IMPURE: the counters of all backends that there have been, so that no count is lost when one is removed.
/// The last 1,000 that were removed keep theirs; those before them are summed up by pool.
[<Sealed>]
type Ledger() =

    static let mostRemoved = 1000

    let gate = obj ()
    let known = Dictionary<Gauge, Target>(HashIdentity.Reference)
    let present = Dictionary<struct (PoolName * BackendId), Gauge>()
    let removed = ResizeArray<Gauge>()
    let sums = Dictionary<PoolName, Gauge>()
    let mutable version = 0L
    let mutable entries: LedgerEntry[] | null = null

    let sumOf pool =
        match sums.TryGetValue pool with
        | true, sum -> sum
        | _ ->
            let sum = Gauge()
            sums[pool] <- sum
            sum

    /// The oldest give their counts to the sum of their pool, once nothing more can be counted there.
    let forget () =
        let old =
            removed
            |> Seq.filter (fun gauge -> gauge.InFlight = 0)
            |> Seq.truncate (max 0 (removed.Count - mostRemoved))
            |> Seq.toArray

        for gauge in old do
            (sumOf known[gauge].Pool).Absorb gauge
            known.Remove gauge |> ignore

        if old.Length > 0 then
            removed.RemoveAll(fun gauge -> not (known.ContainsKey gauge)) |> ignore

    let take (snapshot: Snapshot) =
        let before = HashSet(present.Values, HashIdentity.Reference)
        present.Clear()

        for view in snapshot.Pools do
            for target in view.Targets do
                known[target.Gauge] <- target
                present[struct (target.Pool, target.Backend.Spec.Id)] <- target.Gauge
                before.Remove target.Gauge |> ignore

        for gone in before do
            removed.Add gone

        forget ()
        entries <- null

    let countAt pool id (counter: Counters -> Counter) =
        match present.TryGetValue(struct (pool, id)) with
        | true, gauge -> (counter gauge.Counters).Add 1L
        | _ -> ()

    let group () = [|
        for (pool, url), targets in
            known.Values
            |> Seq.groupBy (fun each -> each.Pool, string each.Backend.Spec.Url) do
            {
                Pool = pool
                Backend = url
                Gauges = targets |> Seq.map _.Gauge |> Seq.toList
            }

        for sum in sums do
            {
                Pool = sum.Key
                Backend = "removed"
                Gauges = [ sum.Value ]
            }
    |]

    /// Takes in who came and who left. Called by the agent's thread, with the snapshot that shows the change.
    member _.Follow(snapshot: Snapshot, change: Change) =
        lock gate (fun () ->
            match change with
            | Change.Added _
            | Change.Removed _ when snapshot.Version <> version ->
                version <- snapshot.Version
                take snapshot
            | Change.WentUp(pool, spec) -> countAt pool spec.Id _.TurnsUp
            | Change.WentDown(pool, spec, _) -> countAt pool spec.Id _.TurnsDown
            | Change.BreakerTurned(pool, spec, breaker, _) when Breaker.isOpen breaker ->
                countAt pool spec.Id _.BreakerOpened
            | _ -> ())

    /// Counts the health checks that an event tells of.
    member _.Hear(event: Event) =
        match event with
        | Event.InPool(pool, PoolEvent.Checked(id, failure)) ->
            lock gate (fun () ->
                countAt pool id (fun counters ->
                    if failure.IsNone then
                        counters.ChecksPassed
                    else
                        counters.ChecksFailed))
        | _ -> ()

    /// All backends of all pools.
    member _.Entries: LedgerEntry[] =
        lock gate (fun () ->
            match entries with
            | null ->
                let made = group ()
                entries <- made
                made
            | made -> made)
