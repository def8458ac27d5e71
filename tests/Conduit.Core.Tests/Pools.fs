namespace Conduit.Tests

open System
open Conduit

/// Pools made the way the agent makes them, by events, and what to ask of them.
[<RequireQualifiedAccess>]
module Pools =

    let now = Instant.ofElapsed (TimeSpan.FromSeconds 1.0)

    let inDefault news =
        Event.InPool(PoolName.defaultPool, news)

    let fold state events =
        List.fold (State.evolve now) state events

    /// The only pool of a snapshot of these members, with their loads in flight. The ids are the
    /// members' numbers: 0, 1, 2, ...
    let private viewOf settings seed (members: Member list) : PoolView =
        let state =
            fold State.empty [
                Event.PoolCreated(PoolName.defaultPool, settings)
                for number, each in List.indexed members do
                    let id = Make.backendId (string number)

                    inDefault (
                        PoolEvent.Added {
                            Id = id
                            Url = Make.url $"http://10.0.0.1:{number + 1}"
                            Weight = each.Weight
                            Backup = false
                            AllAddresses = false
                        }
                    )

                    // Both ways of being unavailable.
                    if not each.Available && number % 2 = 0 then
                        inDefault (PoolEvent.AdminSet(id, AdminState.Draining))
                    elif not each.Available then
                        inDefault (PoolEvent.Checked(id, Some "refused"))
            ]

        let view = (Snapshot.next seed Snapshot.empty state).Pools[0]

        for target, each in Seq.zip view.Targets members do
            for _ in 1 .. each.Load do
                target.Gauge.Acquire()

        view

    let view strategy seed members =
        viewOf (Make.settings strategy { Rise = 1; Fall = 1 }) seed members

    /// The pool of these members whose strategy hashes.
    let hashed hash members =
        viewOf
            {
                Make.settings Strategy.Hash { Rise = 1; Fall = 1 } with
                    Hash = hash
            }
            0UL
            members

    let idle weight = {
        Weight = weight
        Available = true
        Load = 0
        Tried = false
    }

    /// The gauges of the members that were tried.
    let tried (members: Member list) (view: PoolView) = [
        for target, each in Seq.zip view.Targets members do
            if each.Tried then
                target.Gauge
    ]

    let weightOf (target: Target) = Weight.value target.Backend.Spec.Weight

    /// Whether `a` has more requests in flight for its weight than `b`.
    let isBusier (a: Target) (b: Target) =
        a.Gauge.InFlight * weightOf b > b.Gauge.InFlight * weightOf a

    /// What is asked for by a request that has been there before.
    let demand tried = { Now = now; Key = 0UL; Tried = tried }

    /// The target of a turn; fails when there is none.
    let pick turn tried view =
        match Balancer.pick turn (demand tried) view with
        | ValueSome choice -> choice.Target
        | ValueNone -> failwith "nothing was picked"

    /// How often each available target is picked in so many turns from `turn` on, in their order.
    let counts turn turns (view: PoolView) =
        let counts = Array.zeroCreate<int> view.Available.Length

        for step in 0 .. turns - 1 do
            let target = pick (turn + uint64 step) [] view
            let index = Array.IndexOf(view.Available, target)
            counts[index] <- counts[index] + 1

        counts
