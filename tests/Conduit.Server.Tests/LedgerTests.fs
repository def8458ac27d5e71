module Conduit.Server.Tests.LedgerTests

open Xunit
open Conduit
open Conduit.Server

let private pool = PoolName.defaultPool

/// An agent whose changes a ledger follows.
let private start () =
    let ledger = Ledger()
    let changes = FSharp.Control.Event<Change>()

    let agent =
        Agent.Start(
            1UL,
            {
                Now = fun () -> Instant.zero
                OnEvent = ledger.Hear
                OnChange = changes.Trigger
                OnError = fun error -> failwith $"%A{error}"
            },
            []
        )

    changes.Publish.Add(fun change -> ledger.Follow(agent.Current, change))
    agent, ledger

let private update (agent: Agent) news =
    agent.Update(news |> List.map (fun each -> Event.InPool(pool, each)))
    |> Async.RunSynchronously

let private requests (ledger: Ledger) =
    ledger.Entries
    |> Seq.map (fun entry ->
        entry.Backend,
        entry.Gauges
        |> List.sumBy (fun gauge -> gauge.Counters.Requests.Read() |> List.sumBy _.Count))
    |> Seq.sort
    |> Seq.toList

let private serve (snapshot: Snapshot) =
    for target in snapshot.Pools[0].Targets do
        target.Gauge.Acquire()
        target.Gauge.Counters.Requests.Count("GET", 200)
        target.Gauge.Release()

[<Fact>]
let ``a backend keeps its counts when it leaves, and when it comes back`` () =
    let agent, ledger = start ()
    agent.Post(Event.PoolCreated(pool, PoolSettings.defaults))
    let a, b = AdminPorts.spec "http://h:1;id=a", AdminPorts.spec "http://h:2;id=b"
    let first = update agent [ PoolEvent.Added a; PoolEvent.Added b ]
    serve first
    let late = first.Pools[0].Targets[0]
    update agent [ PoolEvent.Removed a.Id ] |> serve
    // A request that was in flight when its backend left.
    late.Gauge.Counters.Requests.Count("GET", 200)
    Assert.Equal<(string * int64) list>([ "http://h:1", 2L; "http://h:2", 2L ], requests ledger)
    update agent [ PoolEvent.Added(AdminPorts.spec "http://h:1;id=other") ] |> serve
    Assert.Equal<(string * int64) list>([ "http://h:1", 3L; "http://h:2", 3L ], requests ledger)
    // Another URL under the same id is another backend.
    update agent [ PoolEvent.Removed b.Id; PoolEvent.Added(AdminPorts.spec "http://h:3;id=b") ]
    |> serve

    Assert.Equal<(string * int64) list>(
        [ "http://h:1", 4L; "http://h:2", 3L; "http://h:3", 1L ],
        requests ledger
    )

    agent.Update [ Event.PoolRemoved pool ] |> Async.RunSynchronously |> ignore
    Assert.Equal(8L, requests ledger |> List.sumBy snd)

[<Fact>]
let ``thousands that come and go leave a bounded number of series, and lose no count`` () =
    let agent, ledger = start ()
    agent.Post(Event.PoolCreated(pool, PoolSettings.defaults))

    for round in 1..25 do
        let specs = [ for each in 1..100 -> AdminPorts.spec $"http://h{round}:{each}" ]
        update agent (List.map PoolEvent.Added specs) |> serve

        update agent (specs |> List.map (fun spec -> PoolEvent.Checked(spec.Id, None)))
        |> ignore

        update agent (specs |> List.map (fun spec -> PoolEvent.Removed spec.Id))
        |> ignore

    let requests = requests ledger
    Assert.Equal(1001, requests.Length)
    Assert.Equal(2500L, List.sumBy snd requests)
    Assert.Contains(("removed", 1500L), requests)

    let sumOf (count: Gauge -> int64) =
        ledger.Entries |> Seq.collect _.Gauges |> Seq.sumBy count

    Assert.Equal(2500L, sumOf _.Requests)
    Assert.Equal(2500L, sumOf _.Counters.ChecksPassed.Value)

[<Fact>]
let ``checks and turns of the health are counted`` () =
    let agent, ledger = start ()
    agent.Post(Event.PoolCreated(pool, PoolSettings.defaults))
    let a = AdminPorts.spec "http://h:1;id=a"

    update agent [ PoolEvent.Added a ] |> ignore

    for failure in [ Some "refused"; None; None; Some "refused" ] do
        update agent [ PoolEvent.Checked(a.Id, failure) ] |> ignore

    let counters = (Assert.Single(ledger.Entries[0].Gauges)).Counters
    Assert.Equal((2L, 2L), (counters.ChecksPassed.Value, counters.ChecksFailed.Value))
    Assert.Equal((1L, 1L), (counters.TurnsUp.Value, counters.TurnsDown.Value))
