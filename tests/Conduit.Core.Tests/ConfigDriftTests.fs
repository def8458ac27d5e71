module Conduit.Tests.ConfigDriftTests

open FsCheck.FSharp
open Xunit
open Conduit

let private config =
    ConfigDocuments.right (
        Doc.Section [
            "pools",
            Doc.Section [
                "web",
                Doc.Section [
                    "backends",
                    ConfigDocuments.values [
                        "http://a:1;id=a"
                        "http://b:1;id=b;weight=2"
                        "http://c:1;id=c"
                    ]
                ]
            ]
        ]
    )

let private inWeb news = Event.InPool(Make.poolName "web", news)

let private after events =
    Pools.fold State.empty (Reload.initial config @ events)

[<Fact>]
let ``no drift where nothing was changed at run time, whatever happened to the backends' health`` () =
    Property.check (
        Prop.forAll ConfigGenerators.arbitrary (fun config ->
            Prop.forAll ConfigGenerators.atRunTime (fun atRunTime ->
                let healthOnly =
                    atRunTime
                    |> List.filter (fun event ->
                        match event with
                        | Event.InPool(_, PoolEvent.Checked _) -> true
                        | _ -> false)

                Drift.find config (Pools.fold State.empty (Reload.initial config @ healthOnly)) = []))
    )

[<Fact>]
let ``each difference is told with its path and both values`` () =
    let state =
        after [
            inWeb (PoolEvent.WeightSet(Make.backendId "a", Make.weight 9))
            inWeb (PoolEvent.AdminSet(Make.backendId "a", AdminState.Draining))
            inWeb (PoolEvent.AdminSet(Make.backendId "b", AdminState.NotReady))
            inWeb (PoolEvent.Removed(Make.backendId "c"))
            inWeb (PoolEvent.Added(Make.spec "http://d:1;id=d"))
        ]

    let drift where configured running = {
        Where = $"pools.web.backends.{where}"
        Configured = configured
        Running = running
    }

    Assert.Equal<Drift list>(
        [
            drift "a.weight" (Some "1") (Some "9")
            drift "a.state" (Some "ready") (Some "draining")
            drift "b.state" (Some "ready") (Some "not-ready")
            drift "c" (Some "http://c:1") None
            drift "d" None (Some "http://d:1")
        ],
        Drift.find config state
    )

[<Fact>]
let ``another URL under the same id is told`` () =
    let state =
        after [
            inWeb (PoolEvent.Removed(Make.backendId "a"))
            inWeb (PoolEvent.Added(Make.spec "http://x:1;id=a"))
        ]

    Assert.Equal<Drift list>(
        [
            {
                Where = "pools.web.backends.a.url"
                Configured = Some "http://a:1"
                Running = Some "http://x:1"
            }
        ],
        Drift.find config state
    )

[<Fact>]
let ``a change that was undone is no drift`` () =
    let state =
        after [
            inWeb (PoolEvent.WeightSet(Make.backendId "a", Make.weight 9))
            inWeb (PoolEvent.AdminSet(Make.backendId "a", AdminState.Draining))
            inWeb (PoolEvent.AdminSet(Make.backendId "a", AdminState.Ready))
            inWeb (PoolEvent.WeightSet(Make.backendId "a", Weight.one))
        ]

    Assert.Empty(Drift.find config state)

[<Fact>]
let ``the addresses that a name resolves to are no drift`` () =
    let named =
        ConfigDocuments.right (
            Doc.Section [ "backends", ConfigDocuments.values [ "http://app:1;id=app;resolve=all" ] ]
        )

    let resolved =
        PoolEvent.Resolved(Make.backendId "app", [ System.Net.IPAddress.Parse "10.0.0.1" ])

    let state =
        Pools.fold State.empty (Reload.initial named @ [ Event.InPool(PoolName.defaultPool, resolved) ])

    let backend = Assert.Single(Pool.backends state.Pools[PoolName.defaultPool])
    Assert.Equal("app@10.0.0.1", BackendId.value backend.Spec.Id)
    Assert.Empty(Drift.find named state)
