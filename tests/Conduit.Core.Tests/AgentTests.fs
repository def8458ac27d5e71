module Conduit.Tests.AgentTests

open System
open System.Collections.Concurrent
open System.Threading
open Xunit
open Conduit

let private deadline = TimeSpan.FromSeconds 20.0

let private ports = {
    Now = fun () -> Pools.now
    OnEvent = ignore
    OnChange = ignore
    OnError = fun error -> raise error
}

let private states (snapshot: Snapshot) =
    snapshot.Pools |> Array.map _.Source |> Array.toList

let private pools (state: State) = state.Pools |> Map.values |> List.ofSeq

let private update (agent: Agent) events =
    // Not RunSynchronously: it would wait past its timeout for an agent that is dead.
    Async.StartAsTask(agent.Update events).WaitAsync(deadline).GetAwaiter().GetResult()

let private created = Event.PoolCreated(PoolName.defaultPool, PoolSettings.defaults)

let private added id =
    Pools.inDefault (PoolEvent.Added(Make.spec $"http://{id};id={id}"))

let private ids (snapshot: Snapshot) = [
    for view in snapshot.Pools do
        for target in view.Targets do
            BackendId.value target.Backend.Spec.Id
]

[<Fact>]
let ``events are folded in their order, and the changes told in it`` () =
    Property.checkFew (fun (first: Event list) (posted: Event list) ->
        let told = ConcurrentQueue<Change>()
        use agent = Agent.Start(0UL, { ports with OnChange = told.Enqueue }, first)
        let start = Pools.fold State.empty first
        let shown = states agent.Current = pools start

        posted |> List.iter agent.Post
        let snapshot = update agent []

        let expected =
            ((start, []), posted)
            ||> List.fold (fun (before, changes) event ->
                let after = State.evolve Pools.now before event
                after, changes @ State.changes before after event)
            |> snd

        shown
        && states snapshot = pools (Pools.fold start posted)
        && List.ofSeq told = expected)

[<Fact>]
let ``an update shows what it wrote, and is current when it answers`` () =
    Property.checkFew (fun (updates: Event list list) ->
        use agent = Agent.Start(0UL, ports, [])
        let mutable expected = State.empty

        updates
        |> List.forall (fun events ->
            expected <- Pools.fold expected events
            let snapshot = update agent events

            states snapshot = pools expected && obj.ReferenceEquals(snapshot, agent.Current)))

[<Fact>]
let ``an update that changes nothing publishes nothing`` () =
    use agent = Agent.Start(0UL, ports, [ created; added "a" ])
    let before = agent.Current

    Assert.Same(
        before,
        update agent [ created; added "a"; Pools.inDefault (PoolEvent.Removed(Make.backendId "z")) ]
    )

[<Fact>]
let ``posted events are shown without being asked for`` () =
    use agent = Agent.Start(0UL, ports, [ created ])
    agent.Post(added "a")
    Assert.True(SpinWait.SpinUntil((fun () -> ids agent.Current = [ "a" ]), deadline))

[<Fact>]
let ``a burst costs one snapshot, and it is the last state that shows`` () =
    use reached = new ManualResetEventSlim(false)
    use release = new ManualResetEventSlim(false)
    let burst = 200

    let onChange change =
        match change with
        | Change.Added(_, spec) when BackendId.value spec.Id = "first" ->
            reached.Set()
            Assert.True(release.Wait deadline)
        | _ -> ()

    use agent = Agent.Start(0UL, { ports with OnChange = onChange }, [ created ])
    agent.Post(added "first")
    Assert.True(reached.Wait deadline)
    // A change is told once a snapshot shows it.
    Assert.Equal<string list>([ "first" ], ids agent.Current)
    let before = agent.Current.Version

    for number in 1..burst do
        agent.Post(added $"b{number}")

    release.Set()

    Assert.True(SpinWait.SpinUntil((fun () -> (ids agent.Current).Length = burst + 1), deadline))
    Assert.Equal(before + 1L, agent.Current.Version)

[<Fact>]
let ``an exception in OnChange undoes nothing and does not stop the agent`` () =
    let errors = ConcurrentQueue<exn>()

    let onChange change =
        match change with
        | Change.Added(_, spec) when BackendId.value spec.Id = "bad" -> failwith "told of bad"
        | _ -> ()

    let ports = {
        ports with
            OnChange = onChange
            OnError = errors.Enqueue
    }

    use agent = Agent.Start(0UL, ports, [ created ])
    agent.Post(added "a")
    agent.Post(added "bad")
    agent.Post(added "b")
    let snapshot = update agent [ added "bad"; added "c" ]

    Assert.Equal<string list>([ "a"; "bad"; "b"; "c" ], ids snapshot)
    Assert.Equal<string list>([ "told of bad" ], errors |> Seq.map _.Message |> List.ofSeq)

[<Fact>]
let ``an exception while folding drops the event and does not stop the agent`` () =
    let errors = ConcurrentQueue<exn>()
    let mutable calls = 0

    // The second event is the one that fails.
    let now () =
        if Interlocked.Increment &calls = 3 then
            failwith "no clock"

        Pools.now

    let ports = {
        ports with
            Now = now
            OnError = errors.Enqueue
    }

    use agent = Agent.Start(0UL, ports, [ created ])
    [ "a"; "b"; "c" ] |> List.iter (added >> agent.Post)

    Assert.Equal<string list>([ "a"; "c" ], ids (update agent []))
    Assert.Equal<string list>([ "no clock" ], errors |> Seq.map _.Message |> List.ofSeq)

[<Fact>]
let ``readers see versions only go up while events pour in`` () =
    use agent = Agent.Start(0UL, ports, [ created ])
    use over = new ManualResetEventSlim(false)

    let reader =
        Tasks.Task.Run(fun () ->
            let mutable ordered = true
            let mutable last = agent.Current.Version

            while not over.IsSet do
                let version = agent.Current.Version
                ordered <- ordered && version >= last
                last <- version

            ordered)

    for number in 1..200 do
        agent.Post(added $"b{number}")

    let snapshot = update agent []
    over.Set()
    Assert.True reader.Result
    Assert.Equal(200, (ids snapshot).Length)
