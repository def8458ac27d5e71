module Conduit.Tests.ConfigReloadTests

open FsCheck.FSharp
open Xunit
open Conduit

let private stateOf config =
    Pools.fold State.empty (Reload.initial config)

/// A state of `before` after changes at run time, and what a reload then makes of it.
let private reloaded before atRunTime after =
    let changed = Pools.fold (stateOf before) atRunTime
    let events = Reload.events before after |> Reload.against changed
    changed, Pools.fold changed events

let private find name id (state: State) =
    state.Pools |> Map.tryFind name |> Option.bind (_.Backends >> Map.tryFind id)

let private inFile name id config =
    Config.pool name config
    |> Option.bind (fun pool -> pool.Backends |> List.tryFind (fun spec -> spec.Id = id))

let private forAll property =
    let configs = ConfigGenerators.arbitrary

    Property.check (
        Prop.forAll configs (fun before ->
            Prop.forAll configs (fun after ->
                Prop.forAll ConfigGenerators.atRunTime (fun atRunTime -> property before after atRunTime)))
    )

[<Fact>]
let ``the events lead from the state of one configuration to that of another`` () =
    forAll (fun before after _ ->
        let state = Pools.fold (stateOf before) (Reload.events before after)

        let essence (state: State) =
            state.Pools
            |> Map.map (fun _ pool ->
                pool.Settings, pool.Backends |> Map.map (fun _ backend -> backend.Spec))

        Drift.find after state = [] && essence state = essence (stateOf after))

[<Fact>]
let ``a file that says the same gives no events`` () =
    forAll (fun config _ atRunTime ->
        let changed, after = reloaded config atRunTime config

        Reload.events config config = [] && obj.ReferenceEquals(changed, after))

[<Fact>]
let ``what did not change in the file stays as it is, with all that was done to it at run time`` () =
    forAll (fun before after atRunTime ->
        let changed, state = reloaded before atRunTime after

        seq {
            for KeyValue(name, pool) in changed.Pools do
                if (Config.pool name after).IsSome then
                    for KeyValue(id, backend) in pool.Backends do
                        if inFile name id before = inFile name id after then
                            backend, find name id state
        }
        // Another slow start may end the one that is under way.
        |> Seq.forall (fun (backend, kept) -> Option.map Backend.settle kept = Some(Backend.settle backend)))

[<Fact>]
let ``what the file adds or changes is in force, whatever was done at run time`` () =
    forAll (fun before after atRunTime ->
        let _, state = reloaded before atRunTime after

        seq {
            for pool in after.Pools do
                for spec in pool.Backends |> List.filter (_.AllAddresses >> not) do
                    match inFile pool.Name spec.Id before, find pool.Name spec.Id state with
                    | None, Some running -> running.Spec = spec
                    | None, None -> false
                    | Some old, Some running when old.Url <> spec.Url -> running.Spec = spec
                    | Some old, None when old.Url <> spec.Url -> false
                    | Some old, Some running when old.Weight <> spec.Weight ->
                        running.Spec.Weight = spec.Weight
                    // Removed at run time, and the file has not asked for it anew.
                    | _ -> true
        }
        |> Seq.forall id)

[<Fact>]
let ``what the file no longer has is gone`` () =
    forAll (fun before after atRunTime ->
        let _, state = reloaded before atRunTime after

        let isGone name id = (find name id state).IsNone

        (before.Pools, true)
        ||> List.foldBack (fun pool soFar ->
            soFar
            && (Config.pool pool.Name after).IsSome = Map.containsKey pool.Name state.Pools
            && pool.Backends
               |> List.filter (_.AllAddresses >> not)
               |> List.forall (fun spec ->
                   (inFile pool.Name spec.Id after).IsSome || isGone pool.Name spec.Id)))

[<Fact>]
let ``a backend that was added by hand becomes the file's and keeps its health`` () =
    let config backends =
        ConfigDocuments.right (Doc.Section [ "backends", ConfigDocuments.values backends ])

    let byHand = Make.spec "http://b:1;id=b;weight=5"

    let atRunTime = [
        Pools.inDefault (PoolEvent.Added byHand)
        Pools.inDefault (PoolEvent.Checked(byHand.Id, Some "refused"))
        Pools.inDefault (PoolEvent.AdminSet(byHand.Id, AdminState.NotReady))
    ]

    let after text =
        reloaded (config [ "http://a:1" ]) atRunTime (config [ "http://a:1"; text ])
        |> snd
        |> find PoolName.defaultPool byHand.Id

    let kept = after "http://b:1;id=b;weight=2" |> Option.get
    Assert.Equal(Make.weight 2, kept.Spec.Weight)
    Assert.Equal(Health.Down 0, kept.Health)
    Assert.Equal(AdminState.NotReady, kept.Admin)

    // Another URL is another backend.
    let replaced = after "http://c:1;id=b" |> Option.get
    Assert.Equal(Make.spec "http://c:1;id=b", replaced.Spec)
    Assert.Equal(Health.Unproven, replaced.Health)

[<Fact>]
let ``each change is told in words`` () =
    let before =
        ConfigDocuments.right (
            Doc.Section [
                "backends", ConfigDocuments.values [ "http://a:1;id=a"; "http://b:1;id=b" ]
                "pools", Doc.Section [ "old", Doc.Section [ ConfigDocuments.backends ] ]
            ]
        )

    let after =
        ConfigDocuments.right (
            Doc.Section [
                "strategy", ConfigDocuments.value "random"
                "backends", ConfigDocuments.values [ "http://a:1;id=a;weight=7"; "http://c:1;id=c" ]
                "pools", Doc.Section [ "new", Doc.Section [ ConfigDocuments.backends ] ]
            ]
        )

    Assert.Equal<string list>(
        [
            "pool old: removed"
            "pool default: strategy changed"
            "pool default: backend b removed"
            "pool default: backend a has weight 7"
            "pool default: backend c added"
            "pool new: added"
            "pool new: backend 10.0.0.1:8081 added"
        ],
        Reload.events before after |> Reload.report before after
    )

/// The lines of a report when `after` goes over the same few backends as `before`.
let private reported before after =
    let config parts =
        ConfigDocuments.right (Doc.Section(ConfigDocuments.backends :: parts))

    let before, after = config before, config after
    Reload.events before after |> Reload.report before after

let private route name path =
    Doc.Section [
        "name", ConfigDocuments.value name
        "path", ConfigDocuments.value path
        "pool", ConfigDocuments.value "default"
    ]

[<Fact>]
let ``each setting that changed is told by its key`` () =
    let set key text = [ key, ConfigDocuments.value text ]

    for parts, expected in
        [
            set "listen" ":4000", "listen: 0.0.0.0:4000"
            [ "listen", Doc.Section(set "max_request_line" "4096") ], "listen.max_request_line: 4096"
            [ "listen", Doc.Section(set "max_header_size" "4096") ], "listen.max_header_size: 4096"
            [ "listen", Doc.Section(set "max_header_count" "50") ], "listen.max_header_count: 50"
            set "drain_timeout" "5s", "drain_timeout: 5s"
            set "stats_path" "/stats", "stats_path: /stats"
            set "trust_forwarded" "true", "trust_forwarded: true"
            [ "admin", Doc.Section(set "port" "9000") ], "admin: takes effect at the next start"
            [ "log", Doc.Section(set "level" "debug") ], "log: takes effect at the next start"
            set "strategy" "random", "pool default: strategy changed"
            set "hash_on" "uri", "pool default: hash_on changed"
            set "hash_table" "ring", "pool default: hash_table changed"
            set "hash_balance_factor" "0", "pool default: hash_balance_factor changed"
            [ "allow", ConfigDocuments.values [ "::1" ] ], "pool default: allow changed"
            [ "deny", ConfigDocuments.values [ "::1" ] ], "pool default: deny changed"
            [ "rate_limit", Doc.Section(set "rate" "9") ], "pool default: rate_limit changed"
            set "max_in_flight" "9", "pool default: max_in_flight changed"
            set "slow_start" "9s", "pool default: slow_start changed"
            [ "sticky_session", Doc.Section(set "enabled" "true") ], "pool default: sticky_session changed"
            set "max_body" "9", "pool default: max_body changed"
            [ "trusted_proxies", ConfigDocuments.values [ "::1" ] ], "trusted_proxies changed"
            [ "retry", Doc.Section(set "max_retries" "9") ], "pool default: retry changed"
            [ "timeouts", Doc.Section(set "idle" "9s") ], "pool default: timeouts changed"
            [ "health_check", Doc.Section(set "interval" "9s") ], "pool default: health_check changed"
        ] do
        Assert.Equal<string list>([ expected ], reported [] parts)
        Assert.Equal<string list>([], reported parts parts)

    Assert.Equal<string list>([ "stats_path: none" ], reported (set "stats_path" "/stats") [])

[<Fact>]
let ``routes are told by name, and their order is no change`` () =
    let a, b = route "a" "/a", route "b" "/b"
    let routes list = [ "routes", Doc.Items list ]

    Assert.Equal<string list>(
        [ "route a: removed"; "route b: changed"; "route c: added" ],
        reported (routes [ a; b ]) (routes [ route "b" "/b/*"; route "c" "/c" ])
    )

    Assert.Equal<string list>([], reported (routes [ a; b ]) (routes [ b; a ]))

/// One configuration with a part of another.
let private mixtures (before: Config) (after: Config) = [
    { before with Listen = after.Listen }
    { before with Tls = after.Tls }
    {
        before with
            ProxyFrom = after.ProxyFrom
    }
    { before with Heads = after.Heads }
    { before with Clients = after.Clients }
    { before with Admin = after.Admin }
    {
        before with
            DrainTimeout = after.DrainTimeout
    }
    {
        before with
            StatsPath = after.StatsPath
    }
    { before with Metrics = after.Metrics }
    {
        before with
            AccessLog = after.AccessLog
    }
    {
        before with
            Telemetry = after.Telemetry
    }
    {
        before with
            RequestId = after.RequestId
    }
    {
        before with
            TrustForwarded = after.TrustForwarded
    }
    {
        before with
            TrustedProxies = after.TrustedProxies
    }
    {
        before with
            Transport = after.Transport
    }
    {
        before with
            LogFormat = after.LogFormat
    }
    {
        before with
            LogLevel = after.LogLevel
    }
    {
        before with
            Pools = after.Pools
            Routes = after.Routes
    }
    { before with Routes = [] }
]

/// The same for all that say the same: the order of the file means nothing.
let private meaning (config: Config) = {
    config with
        Pools = [
            for pool in config.Pools |> List.sortBy (fun (pool: PoolConfig) -> pool.Name) ->
                {
                    pool with
                        Backends = List.sortBy _.Id pool.Backends
                }
        ]
        Routes = config.Routes |> List.sortBy (fun (route: Route) -> route.Name)
}

[<Fact>]
let ``a file that says something else is never told as no change, nor one that does not as one`` () =
    forAll (fun before after _ ->
        mixtures before after
        |> List.forall (fun mixed ->
            let lines = Reload.events before mixed |> Reload.report before mixed
            lines.IsEmpty = (meaning before = meaning mixed)))
