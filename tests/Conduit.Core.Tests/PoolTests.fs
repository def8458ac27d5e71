module Conduit.Tests.PoolTests

open FsCheck
open Xunit
open Conduit

let private create settings =
    Pool.create PoolName.defaultPool settings

/// Each step of a history: the pool before, the event, the pool after.
let private steps settings (history: (Instant * PoolEvent) list) =
    ((create settings, []), history)
    ||> List.fold (fun (before, steps) (now, event) ->
        let after = Pool.evolve now before event
        after, (before, now, event, after) :: steps)
    |> snd
    |> List.rev

[<Fact>]
let ``ids stay unique under any events, and so do places`` () =
    Property.check (fun settings (history: (Instant * PoolEvent) list) ->
        steps settings history
        |> List.forall (fun (_, _, _, after) ->
            let backends = Pool.backends after

            let distinct key =
                Array.distinctBy key backends |> Array.length

            distinct _.Spec.Id = backends.Length
            && distinct _.Ordinal = backends.Length
            && after.Backends |> Map.forall (fun id backend -> backend.Spec.Id = id)
            && backends |> Array.forall (fun backend -> backend.Ordinal < after.NextOrdinal)))

[<Fact>]
let ``the ids are those that were added and not removed since, the oldest first`` () =
    Property.check (fun settings (history: (Instant * PoolEvent) list) ->
        let expected =
            ([], history)
            ||> List.fold (fun ids (_, event) ->
                match event with
                | PoolEvent.Added spec when not (List.contains spec.Id ids) -> ids @ [ spec.Id ]
                | PoolEvent.Removed id -> List.except [ id ] ids
                | _ -> ids)

        let final =
            history
            |> List.fold (fun pool (now, event) -> Pool.evolve now pool event) (create settings)

        // Those of names have their own tests.
        (Pool.backends final
         |> Array.map _.Spec.Id
         |> Array.filter (fun id -> not (Pool.isOfName id final))
         |> Array.toList)
            =
            expected)

[<Fact>]
let ``what changes nothing gives back the very same pool`` () =
    Property.check (fun settings (history: (Instant * PoolEvent) list) ->
        steps settings history
        |> List.forall (fun (before, _, _, after) -> before <> after || obj.ReferenceEquals(before, after)))

[<Fact>]
let ``saying the same twice changes nothing the second time`` () =
    Property.check (fun settings (history: (Instant * PoolEvent) list) later ->
        steps settings history
        |> List.forall (fun (_, _, event, after) ->
            match event with
            | PoolEvent.Checked _
            | PoolEvent.Traffic _
            | PoolEvent.Ticked -> true
            | _ -> obj.ReferenceEquals(after, Pool.evolve later after event)))

[<Fact>]
let ``news of an epoch that is over, or not yet begun, changes nothing`` () =
    Property.check (fun settings (history: (Instant * PoolEvent) list) now epoch evidence ->
        let pool =
            history
            |> List.fold (fun pool (now, event) -> Pool.evolve now pool event) (create settings)

        Pool.backends pool
        |> Array.forall (fun backend ->
            backend.Epoch = epoch
            || obj.ReferenceEquals(
                pool,
                Pool.evolve now pool (PoolEvent.Traffic(backend.Spec.Id, epoch, evidence))
            )))

[<Fact>]
let ``news of a backend that is not there changes nothing`` () =
    Property.check
        (fun settings (history: (Instant * PoolEvent) list) now weight admin epoch failure evidence ->
            let pool =
                history
                |> List.fold (fun pool (now, event) -> Pool.evolve now pool event) (create settings)

            let absent = Make.backendId "absent"

            [
                PoolEvent.Removed absent
                PoolEvent.WeightSet(absent, weight)
                PoolEvent.AdminSet(absent, admin)
                PoolEvent.Checked(absent, failure)
                PoolEvent.Traffic(absent, epoch, evidence)
            ]
            |> List.forall (fun event -> obj.ReferenceEquals(pool, Pool.evolve now pool event)))

[<Fact>]
let ``an event touches only the backend that it names`` () =
    Property.check (fun settings (history: (Instant * PoolEvent) list) ->
        steps settings history
        |> List.forall (fun (before, _, event, after) ->
            let named =
                match event with
                | PoolEvent.SettingsSet _
                | PoolEvent.NameAdded _
                | PoolEvent.NameRemoved _
                | PoolEvent.Resolved _
                | PoolEvent.Settled
                | PoolEvent.Ticked -> None
                | PoolEvent.Added spec -> Some spec.Id
                | PoolEvent.Removed id
                | PoolEvent.WeightSet(id, _)
                | PoolEvent.BackupSet(id, _)
                | PoolEvent.AdminSet(id, _)
                | PoolEvent.Checked(id, _)
                | PoolEvent.Traffic(id, _, _) -> Some id

            let others pool =
                pool.Backends |> Map.filter (fun id _ -> Some id <> named)

            named.IsNone || others before = others after))

[<Fact>]
let ``each turn of the health or the breaker begins a new epoch, and nothing else does`` () =
    Property.check (fun settings (history: (Instant * PoolEvent) list) ->
        steps settings history
        |> List.forall (fun (before, _, _, after) ->
            after.Backends
            |> Map.forall (fun id backend ->
                match Map.tryFind id before.Backends with
                | None -> backend.Health = Health.Unproven
                | Some old ->
                    let turned =
                        Health.isUp old.Health <> Health.isUp backend.Health
                        || Breaker.isTurn old.Breaker backend.Breaker

                    backend.Epoch = old.Epoch + (if turned then 1 else 0))))

[<Fact>]
let ``since is when a backend last became available or unavailable`` () =
    Property.check (fun settings (history: (Instant * PoolEvent) list) ->
        steps settings history
        |> List.forall (fun (before, now, _, after) ->
            after.Backends
            |> Map.forall (fun id backend ->
                match Map.tryFind id before.Backends with
                | Some old when Backend.isAvailable old = Backend.isAvailable backend ->
                    backend.Since = old.Since
                | _ -> backend.Since = now)))

[<Fact>]
let ``the last failure is kept until there is a newer one`` () =
    Property.check (fun settings (history: (Instant * PoolEvent) list) ->
        steps settings history
        |> List.forall (fun (before, _, event, after) ->
            after.Backends
            |> Map.forall (fun id backend ->
                let old = Map.tryFind id before.Backends

                match event, old with
                | PoolEvent.Checked(named, Some reason), Some _ when named = id ->
                    backend.LastFailure = Some reason
                | PoolEvent.Traffic(named, epoch, Evidence.Failed reason), Some old when
                    named = id && epoch = old.Epoch
                    ->
                    backend.LastFailure = Some reason
                | PoolEvent.Traffic(named, epoch, Evidence.Refused status), Some old when
                    named = id && epoch = old.Epoch
                    ->
                    backend.LastFailure = Some $"answered {status}"
                | _, Some old -> backend.LastFailure = old.LastFailure
                | _, None -> backend.LastFailure = None)))
