module Conduit.Tests.HistoryTests

open System
open FsCheck
open FsCheck.FSharp
open Xunit
open Conduit

/// What a backend does with requests and checks at the moment.
type private Mood =
    | Well
    | Erring
    | Dead

/// One thing that happens. Numbers choose among what there is.
type private Step =
    /// A request comes, and waits if it must.
    | Ask
    /// One in flight ends as its backend's mood says.
    | End of int
    /// The client of one in flight leaves.
    | Leave of int
    /// One that waits gives up.
    | GiveUp of int
    /// A backend is checked.
    | Check of int
    /// The agent takes the news that have been posted.
    | Fold
    /// Time goes by, in milliseconds, and the agent is told of it.
    | Pass of int
    | Change of int * Mood
    | Say of int * AdminState
    /// A failed try asks for another.
    | Retry

let private ids = [| for id in [ "a"; "b"; "c" ] -> Make.backendId id |]

let private settings: PoolSettings = {
    PoolSettings.defaults with
        Strategy = Strategy.LeastConnections
        Check = {
            PoolSettings.defaults.Check with
                Thresholds = { Rise = 2; Fall = 3 }
        }
        Breaker =
            Some {
                Breaker.defaults with
                    FailureThreshold = 3
                    ResetTimeout = TimeSpan.FromMilliseconds 500.0
                    MaxResetTimeout = TimeSpan.FromMilliseconds 2000.0
                    HalfOpenLimit = 2
            }
        Limit =
            Some {
                Most = 4
                QueueLength = 5
                QueueTimeout = TimeSpan.FromSeconds 1.0
            }
}

let private breaker = settings.Breaker.Value
let private limit = settings.Limit.Value

/// The whole core in virtual time, as the server drives it, beside a model that knows only what was asked for and
/// what it saw.
type private World() =
    let mutable now = Instant.zero
    let mutable posted: Event list = []
    let mutable held: Target list = []
    let mutable waiting: Waiter list = []
    let mutable moods = Array.create ids.Length Well
    let mutable admin = Array.create ids.Length AdminState.Ready
    /// Of each backend, so many failures in a row since its last turn, and when its breaker must let nobody in.
    let mutable failing = Array.zeroCreate<int> ids.Length
    let mutable shut = Array.create ids.Length ValueNone
    let mutable asked = 0
    let mutable further = 0
    let mutable faults: string list = []

    let mutable state =
        [
            Event.PoolCreated(PoolName.defaultPool, settings)
            for id in ids do
                Pools.inDefault (
                    PoolEvent.Added(Make.spec $"http://{BackendId.value id};id={BackendId.value id}")
                )
        ]
        |> List.fold (State.evolve Instant.zero) State.empty

    let mutable snapshot = Snapshot.next 0UL Snapshot.empty state

    let require what condition =
        if not condition then
            faults <- what :: faults

    let view () = snapshot.Pools[0]

    let indexOf (target: Target) =
        Array.IndexOf(ids, target.Backend.Spec.Id)

    let backend index =
        state.Pools[PoolName.defaultPool].Backends[ids[index]]

    let line () =
        match (view ()).Line with
        | null -> failwith "there is no line"
        | line -> line

    /// The model's own count of failures in a row, in the life of the backend that the news are of.
    let note event =
        match event with
        | Event.InPool(_, PoolEvent.Traffic(id, epoch, evidence)) ->
            let index = Array.IndexOf(ids, id)

            if (backend index).Epoch = epoch && Breaker.name (backend index).Breaker = "closed" then
                failing[index] <- if evidence = Evidence.Passed then 0 else failing[index] + 1
        | _ -> ()

    let fold event =
        let before = [| for index in 0 .. ids.Length - 1 -> backend index |]
        note event
        state <- State.evolve now state event

        for index in 0 .. ids.Length - 1 do
            let after = backend index

            if after.Epoch <> before[index].Epoch then
                if Breaker.isOpen after.Breaker && Breaker.name before[index].Breaker = "closed" then
                    require
                        "a breaker opens after as many failures in a row as configured"
                        (failing[index] >= breaker.FailureThreshold)

                shut[index] <-
                    if Breaker.isOpen after.Breaker then
                        ValueSome(Instant.add (breaker.ResetTimeout * 0.75) now)
                    else
                        ValueNone

                failing[index] <- 0
            else
                require "so many failures in a row open it" (failing[index] < breaker.FailureThreshold)

    let publish () =
        snapshot <- Snapshot.next 0UL snapshot state
        (line ()).CallAll()

    let give (target: Target) =
        let index = indexOf target
        require "only what is ready gets requests" (admin[index] = AdminState.Ready)

        match shut[index] with
        | ValueSome until -> require "an open breaker lets nobody in" (Instant.hasPassed until now)
        | ValueNone -> ()

        held <- target :: held

        let onIt =
            held |> List.filter (fun each -> obj.ReferenceEquals(each.Gauge, target.Gauge))

        require "no more in flight than allowed" (onIt.Length <= limit.Most)

        if not (isNull target.Trials) then
            let trials =
                onIt
                |> List.filter (fun each -> obj.ReferenceEquals(each.Trials, target.Trials))

            require "no more trials at once than allowed" (trials.Length <= breaker.HalfOpenLimit)

    let look () =
        Lease.take { Pools.demand [] with Now = now } (view ())

    /// Ends one of the requests on a target, which all requests on it share.
    let settle outcome (target: Target) =
        held <-
            held
            |> List.removeAt (held |> List.findIndex (fun each -> obj.ReferenceEquals(each, target)))

        Lease.settle (fun event -> posted <- event :: posted) outcome TimeSpan.Zero target

    let choose (from: 'a list) (number: int) =
        if from.IsEmpty then
            None
        else
            Some from[abs number % from.Length]

    let outcome (target: Target) =
        match moods[indexOf target] with
        | Well -> Outcome.Answered 200
        | Erring -> Outcome.Answered 500
        | Dead -> Outcome.Reset "dead"

    /// Whoever was called looks again, as the queue does.
    let serveCalled () =
        let mutable going = true

        while going do
            going <- false

            match waiting |> List.tryFind _.Called.IsCompleted with
            | None -> ()
            | Some waiter ->
                waiter.Rearm()

                match look () with
                | ValueNone -> ()
                | ValueSome target ->
                    give target
                    waiting <- waiting |> List.filter (fun other -> not (obj.ReferenceEquals(other, waiter)))
                    (line ()).Leave waiter

                going <- true

    let step each =
        match each with
        | Ask ->
            (view ()).Budget.Count()
            asked <- asked + 1

            match (if (line ()).Count > 0 then ValueNone else look ()) with
            | ValueSome target -> give target
            | ValueNone ->
                match (line ()).TryJoin limit.QueueLength with
                | null -> ()
                | waiter ->
                    waiting <- waiting @ [ waiter ]
                    (line ()).CallHead()
        | End number -> choose held number |> Option.iter (fun target -> settle (outcome target) target)
        | Leave number -> choose held number |> Option.iter (settle Outcome.ClientGone)
        | GiveUp number ->
            choose waiting number
            |> Option.iter (fun waiter ->
                waiting <- waiting |> List.filter (fun other -> not (obj.ReferenceEquals(other, waiter)))
                (line ()).Leave waiter)
        | Check number ->
            let index = abs number % ids.Length

            fold (
                Pools.inDefault (
                    PoolEvent.Checked(ids[index], (if moods[index] = Dead then Some "dead" else None))
                )
            )

            publish ()
        | Fold ->
            let news = List.rev posted
            posted <- []
            List.iter fold news
            publish ()
        | Pass milliseconds ->
            now <- Instant.add (TimeSpan.FromMilliseconds(float (abs milliseconds % 1000))) now

            match snapshot.Due with
            | ValueSome due when Instant.hasPassed due now ->
                fold Event.Ticked
                publish ()
            | _ -> ()
        | Change(number, mood) -> moods[abs number % ids.Length] <- mood
        | Say(number, said) ->
            let index = abs number % ids.Length
            admin[index] <- said
            fold (Pools.inDefault (PoolEvent.AdminSet(ids[index], said)))
            publish ()
        | Retry ->
            if (view ()).Budget.TryTake(settings.Retry.Budget, now) then
                further <- further + 1

    let check () =
        for target in (view ()).Targets do
            let count =
                held
                |> List.filter (fun each -> obj.ReferenceEquals(each.Gauge, target.Gauge))
                |> List.length

            require "the count in flight is that of the requests there are" (target.Gauge.InFlight = count)

        require "no more wait than may" (waiting.Length <= limit.QueueLength)
        require "the line has those who wait" ((line ()).Count = waiting.Length)

        require
            "nobody waits while there is a place"
            (waiting.IsEmpty || (view ()).Available |> Array.forall (Target.hasRoom >> not))

        let seconds = (Instant.elapsed Instant.zero now).TotalSeconds
        let budget = settings.Retry.Budget

        require
            "further tries stay within the budget"
            (float further
             <= budget.PerSecond * (1.0 + seconds)
                + budget.Percentage / 100.0 * float asked
                + 1e-6)

    member _.Run(each: Step) =
        step each
        serveCalled ()
        check ()

    /// Everything is well, all that is in flight ends, and time and checks go on: what the agent says of the
    /// backends then.
    member this.Calm() =
        for index in 0 .. ids.Length - 1 do
            this.Run(Change(index, Well))
            this.Run(Say(index, AdminState.Ready))

        for _ in 1..40 do
            while not held.IsEmpty do
                this.Run(End 0)

            this.Run Fold
            this.Run(Pass 400)

            for index in 0 .. ids.Length - 1 do
                this.Run(Check index)

            for _ in 1..6 do
                this.Run Ask

        while not (held.IsEmpty && waiting.IsEmpty) do
            this.Run(End 0)

        require
            "when all is well, all are available and every breaker is closed"
            ([ 0 .. ids.Length - 1 ]
             |> List.forall (fun index ->
                 Backend.isAvailable (backend index)
                 && Breaker.name (backend index).Breaker = "closed"))

    member _.Faults = List.rev faults

let private steps =
    let number = Gen.choose (0, 1000)
    let mood = Gen.elements [ Well; Well; Erring; Dead ]

    let said =
        Gen.elements [ AdminState.Ready; AdminState.Ready; AdminState.Draining; AdminState.Disabled ]

    Gen.frequency [
        20, Gen.constant Ask
        16, Gen.map End number
        2, Gen.map Leave number
        1, Gen.map GiveUp number
        3, Gen.map Check number
        8, Gen.constant Fold
        8, Gen.map Pass number
        4, Gen.map2 (fun number mood -> Change(number, mood)) number mood
        1, Gen.map2 (fun number said -> Say(number, said)) number said
        4, Gen.constant Retry
    ]
    |> Gen.listOf

let private histories =
    Arb.fromGenShrink (
        Gen.resize 400 steps,
        fun history -> seq {
            for size in [ history.Length / 2; history.Length / 4; 1 ] do
                if size > 0 && size < history.Length then
                    for at in 0..size .. history.Length - 1 do
                        List.removeManyAt at (min size (history.Length - at)) history
        }
    )

let private run history =
    let world = World()
    List.iter world.Run history
    world.Calm()

    match world.Faults with
    | [] -> true
    | first :: _ -> failwith first

[<Theory>]
[<InlineData 1>]
[<InlineData 2>]
[<InlineData 3>]
let ``a thousand random histories of requests, failures, news and time keep what the model promises``
    (_round: int)
    =
    Property.checkMany (Prop.forAll histories run)
