module Conduit.Tests.BreakerTests

open System
open FsCheck
open Xunit
open Conduit

let private start = Instant.ofElapsed (TimeSpan.FromHours 1.0)

let private fail settings now breaker =
    Breaker.result settings now false breaker

let private succeed settings now breaker =
    Breaker.result settings now true breaker

let rec private times count step value =
    if count = 0 then
        value
    else
        times (count - 1) step (step value)

let private opened settings =
    Breaker.initial |> times settings.FailureThreshold (fail settings start)

let private due breaker =
    match Breaker.due breaker with
    | ValueSome due -> due
    | ValueNone -> failwith "nothing is due"

/// When it is due, and what it is then.
let private later settings breaker =
    let now = due breaker
    now, Breaker.tick settings now breaker

[<Fact>]
let ``it opens after exactly so many failures in a row`` () =
    Property.check (fun settings ->
        let almost =
            Breaker.initial |> times (settings.FailureThreshold - 1) (fail settings start)

        not (Breaker.isOpen almost)
        && Breaker.isOpen (fail settings start almost)
        && succeed settings start almost = Breaker.initial)

[<Fact>]
let ``it stays open for the reset timeout, whatever comes in, and is half-open then`` () =
    Property.check (fun settings (results: bool list) ->
        let breaker = opened settings

        let battered =
            results
            |> List.fold (fun each passed -> Breaker.result settings start passed each) breaker

        let early = start |> Instant.add (settings.ResetTimeout - TimeSpan.FromTicks 1L)

        battered = breaker
        && due breaker = Instant.add settings.ResetTimeout start
        && Breaker.tick settings early breaker = breaker
        && Breaker.name (snd (later settings breaker)) = "half-open")

[<Fact>]
let ``so many successes of trials close it, and one failure opens it again`` () =
    Property.check (fun settings ->
        let now, halfOpen = later settings (opened settings)

        let almost = halfOpen |> times (settings.HalfOpenLimit - 1) (succeed settings now)

        Breaker.name almost = "half-open"
        && succeed settings now almost = Breaker.initial
        && Breaker.isOpen (fail settings now almost))

[<Fact>]
let ``each trip in a row leaves it open longer, up to the longest, with a quarter left to chance`` () =
    Property.check (fun settings ->
        let again (_, breaker) =
            let now, halfOpen = later settings breaker
            now, fail settings now halfOpen

        [ 1..5 ]
        |> List.scan (fun state _ -> again state) (start, opened settings)
        |> List.indexed
        |> List.forall (fun (trips, (now, breaker)) ->
            let pause = Instant.elapsed now (due breaker)

            let full =
                min (settings.ResetTimeout * Math.Pow(2.0, float trips)) settings.MaxResetTimeout

            pause <= full && pause >= full * (if trips = 0 then 1.0 else 0.75)))

[<Fact>]
let ``trials that never end do not hold it half-open for ever: others take their places`` () =
    Property.check (fun settings ->
        let _, halfOpen = later settings (opened settings)
        let _, renewed = later settings halfOpen
        Breaker.isTurn halfOpen renewed && Breaker.name renewed = "half-open")

[<Fact>]
let ``time alone changes nothing before it is due`` () =
    Property.check (fun settings (history: (Instant * bool option) list) now ->
        let breaker =
            (Breaker.initial, history)
            ||> List.fold (fun each (now, result) ->
                match result with
                | Some passed -> Breaker.result settings now passed each
                | None -> Breaker.tick settings now each)

        match Breaker.due breaker with
        | ValueSome due when Instant.hasPassed due now -> Breaker.tick settings now breaker <> breaker
        | _ -> Breaker.tick settings now breaker = breaker)

let private pool settings =
    [
        PoolEvent.Added(Make.spec "http://h;id=a")
        PoolEvent.Checked(Make.backendId "a", None)
    ]
    |> List.fold (Pool.evolve start) (Pool.create PoolName.defaultPool settings)

let private withBreaker breaker = {
    PoolSettings.defaults with
        Breaker = Some breaker
}

let private backend pool = (Pool.backends pool)[0]

let private told evidence now pool =
    let before = backend pool
    Pool.evolve now pool (PoolEvent.Traffic(before.Spec.Id, before.Epoch, evidence))

[<Fact>]
let ``to the breaker a 500 is a failure, to the health it is an answer`` () =
    Property.check (fun breaker ->
        let after =
            pool (withBreaker breaker)
            |> times breaker.FailureThreshold (told (Evidence.Refused 500) start)
            |> backend

        Breaker.isOpen after.Breaker
        && Health.isUp after.Health
        && not (Backend.isAvailable after))

[<Fact>]
let ``late results of an earlier life change nothing`` () =
    Property.check (fun breaker evidence ->
        let opened =
            pool (withBreaker breaker)
            |> times breaker.FailureThreshold (told (Evidence.Refused 500) start)

        let now = due (backend opened).Breaker
        let halfOpen = Pool.evolve now opened PoolEvent.Ticked

        [ 0 .. (backend halfOpen).Epoch - 1 ]
        |> List.forall (fun epoch ->
            obj.ReferenceEquals(
                halfOpen,
                Pool.evolve now halfOpen (PoolEvent.Traffic(Make.backendId "a", epoch, evidence))
            )))

[<Fact>]
let ``without a breaker nothing opens, and one that is switched off closes`` () =
    Property.check (fun breaker ->
        let opened =
            pool (withBreaker breaker)
            |> times breaker.FailureThreshold (told (Evidence.Refused 500) start)

        let off = Pool.evolve start opened (PoolEvent.SettingsSet PoolSettings.defaults)

        Backend.isAvailable (backend off)
        && Backend.isAvailable (backend (off |> times 50 (told (Evidence.Refused 500) start))))

[<Fact>]
let ``as many trials as allowed go to a half-open backend at once, and the others elsewhere`` () =
    Property.check (fun breaker (others: bool) ->
        let specs = [
            "a"
            if others then
                "b"
        ]

        let state =
            Pools.fold State.empty [
                Event.PoolCreated(PoolName.defaultPool, withBreaker breaker)
                for id in specs do
                    Pools.inDefault (PoolEvent.Added(Make.spec $"http://{id};id={id}"))
                for _ in 1 .. breaker.FailureThreshold do
                    Pools.inDefault (PoolEvent.Traffic(Make.backendId "a", 0, Evidence.Refused 500))
            ]

        let now = due (backend state.Pools[PoolName.defaultPool]).Breaker
        let opened = Snapshot.next 0UL Snapshot.empty state
        let halfOpen = Snapshot.next 0UL opened (State.evolve now state Event.Ticked)
        let view = halfOpen.Pools[0]
        let count = 4 * breaker.HalfOpenLimit + 4
        let taken = [ for _ in 1..count -> Lease.take (Pools.demand []) view ]

        let on id =
            taken
            |> List.filter (function
                | ValueSome target -> target.Backend.Spec.Id = Make.backendId id
                | ValueNone -> false)

        let isFull = (on "a").Length = breaker.HalfOpenLimit

        let rest =
            if others then
                (on "b").Length
            else
                taken |> List.filter _.IsNone |> List.length

        for target in on "a" do
            target
            |> ValueOption.iter (Lease.settle ignore Outcome.ClientGone TimeSpan.Zero)

        let hasRoom =
            [ for _ in 1..count -> Lease.take (Pools.demand []) view ]
            |> List.exists (function
                | ValueSome target -> target.Backend.Spec.Id = Make.backendId "a"
                | ValueNone -> false)

        isFull && rest = count - breaker.HalfOpenLimit && hasRoom)

[<Fact>]
let ``every success of a trial is news`` () =
    let breaker = {
        Breaker.defaults with
            FailureThreshold = 1
    }

    let id = Make.backendId "a"

    let state =
        Pools.fold State.empty [
            Event.PoolCreated(PoolName.defaultPool, withBreaker breaker)
            Pools.inDefault (PoolEvent.Added(Make.spec "http://a;id=a"))
            Pools.inDefault (PoolEvent.Traffic(id, 0, Evidence.Refused 500))
        ]

    let now = due (backend state.Pools[PoolName.defaultPool]).Breaker

    let snapshot =
        Snapshot.next 0UL Snapshot.empty (State.evolve now state Event.Ticked)

    let posted = ResizeArray<Event>()

    for _ in 1..2 do
        Lease.take (Pools.demand []) snapshot.Pools[0]
        |> ValueOption.iter (Lease.settle posted.Add (Outcome.Answered 200) TimeSpan.Zero)

    Assert.Equal<Event list>(
        List.replicate 2 (Pools.inDefault (PoolEvent.Traffic(id, 2, Evidence.Passed))),
        List.ofSeq posted
    )

[<Fact>]
let ``while a primary is tried, what it does not take goes to the backups, and they rest when it works again``
    ()
    =
    Property.check (fun breaker strategy ->
        let settings = {
            withBreaker breaker with
                Strategy = strategy
        }

        let a = Make.backendId "a"

        let state =
            Pools.fold State.empty [
                Event.PoolCreated(PoolName.defaultPool, settings)
                Pools.inDefault (PoolEvent.Added(Make.spec "http://a;id=a"))
                Pools.inDefault (PoolEvent.Added(Make.spec "http://b;id=b;backup=true"))
                for _ in 1 .. breaker.FailureThreshold do
                    Pools.inDefault (PoolEvent.Traffic(a, 0, Evidence.Refused 500))
            ]

        let now = due (backend state.Pools[PoolName.defaultPool]).Breaker
        let opened = Snapshot.next 0UL Snapshot.empty state
        let tried = State.evolve now state Event.Ticked
        let halfOpen = Snapshot.next 0UL opened tried
        let count = 4 * breaker.HalfOpenLimit + 20

        let taken (view: PoolView) = [
            for key in 1..count do
                match
                    Lease.take
                        {
                            Pools.demand [] with
                                Key = SplitMix.bits (uint64 key)
                        }
                        view
                with
                | ValueSome target -> BackendId.value target.Backend.Spec.Id
                | ValueNone -> "none"
        ]

        let works =
            (tried, [ 1 .. breaker.HalfOpenLimit ])
            ||> List.fold (fun state _ ->
                let epoch = (backend state.Pools[PoolName.defaultPool]).Epoch

                State.evolve now state (Pools.inDefault (PoolEvent.Traffic(a, epoch, Evidence.Passed))))
            |> Snapshot.next 0UL halfOpen

        let during = List.countBy id (taken halfOpen.Pools[0]) |> Map.ofList

        taken opened.Pools[0] = List.replicate count "b"
        && not (during.ContainsKey "none")
        && (during |> Map.tryFind "a" |> Option.defaultValue 0) <= breaker.HalfOpenLimit
        && taken works.Pools[0] = List.replicate count "a")
