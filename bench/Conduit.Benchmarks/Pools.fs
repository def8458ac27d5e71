namespace Conduit.Benchmarks

open System
open Conduit

/// States as an agent has them, of a size.
[<RequireQualifiedAccess>]
module Pools =

    let now = Instant.ofElapsed (TimeSpan.FromSeconds 1.0)

    let private right result =
        match result with
        | Ok value -> value
        | Error(faults: Fault list) -> failwith (faults |> List.map Fault.render |> String.concat "\n")

    let private spec number =
        right (
            BackendSpec.parse "benchmark" $"http://10.{number / 250 % 250}.{number % 250}.1:80;id=b{number}"
        )

    let private name (number: int) : PoolName =
        match PoolName.create "benchmark" $"pool-{number}" with
        | Ok name -> name
        | Error fault -> failwith (Fault.render fault)

    /// So many pools with so many backends each.
    let state settings pools backends : State =
        let specs = List.init backends spec

        let events = [
            for number in 1..pools do
                Event.PoolCreated(name number, settings)

                for spec in specs do
                    Event.InPool(name number, PoolEvent.Added spec)
        ]

        (State.empty, events) ||> List.fold (State.evolve now)

    /// The only pool of a snapshot.
    let view settings backends : PoolView =
        (Snapshot.next 1UL Snapshot.empty (state settings 1 backends)).Pools[0]

    /// The state after one of its first pool's backends got another weight.
    let changed (state: State) weight : State =
        match BackendId.create "benchmark" "b0", Weight.create "benchmark" weight with
        | Ok id, Ok weight -> State.evolve now state (Event.InPool(name 1, PoolEvent.WeightSet(id, weight)))
        | _ -> failwith "an id or a weight that is none"
