module Conduit.Tests.ConfigFaultTests

open System
open Xunit
open Conduit

let private value = ConfigDocuments.value

/// `conduit.yaml:LINE:COLUMN: PATH` of each fault, in the order of the file.
let private places doc =
    match ConfigDocuments.read doc with
    | Ok _ -> []
    | Error faults ->
        faults
        |> List.map _.Where
        |> List.sortBy (fun where -> where.Split ':' |> fun parts -> int parts[1], int parts[2], where)

let private whats doc =
    match ConfigDocuments.read doc with
    | Ok _ -> []
    | Error faults -> List.map _.What faults

[<Fact>]
let ``ten different faults are ten faults, each at its place`` () =
    let document =
        Doc.Section [
            "listen", Doc.Section [ "port", value "99999" ] // 2: no port
            "drain_timeout", value "10" // 3: no unit
            "trust_forwarded", value "maybe" // 4: not a truth
            "stats_path", value "stats" // 5: no slash
            "logg", Doc.Section [ "level", value "info" ] // 6: no such key
            "admin",
            Doc.Section [
                "token", value "short" // 9: too short
            ]
            "pools",
            Doc.Section [
                "web",
                Doc.Section [
                    "strategy", value "randon" // 12: no such strategy
                    "health_check", Doc.Section [ "interval", value "1ms" ] // 14: too short
                    "backends",
                    Doc.Items [
                        Doc.Section [ "url", value "ftp://h"; "weight", value "257" ] // 16, 17
                    ]
                ]
            ]
        ]

    Assert.Equal<string list>(
        [
            "conduit.yaml:2:9: listen.port"
            "conduit.yaml:3:16: drain_timeout"
            "conduit.yaml:4:18: trust_forwarded"
            "conduit.yaml:5:13: stats_path"
            "conduit.yaml:6:1: logg"
            "conduit.yaml:9:10: admin.token"
            "conduit.yaml:12:15: pools.web.strategy"
            "conduit.yaml:14:17: pools.web.health_check.interval"
            "conduit.yaml:16:14: pools.web.backends[0].url"
            "conduit.yaml:17:17: pools.web.backends[0].weight"
        ],
        places document
    )

[<Fact>]
let ``a fault in one place hides none in another`` () =
    // What is wrong with a section, with its pool, and with the whole, all at once.
    let document =
        Doc.Section [
            "pools",
            Doc.Section [
                "no name", Doc.Section [ "strateg", value "random"; "retry", value "3" ]
                "web",
                Doc.Section [
                    "backends", Doc.Items []
                    "health_check",
                    Doc.Section [ "type", value "tcp"; "path", value "/up"; "rise", value "0" ]
                    "sticky_session",
                    Doc.Section [ "enabled", value "perhaps"; "max_sessions", value "0"; "x", value "1" ]
                ]
            ]
        ]

    Assert.Equal<string list>(
        List.sort [
            "conduit.yaml:3:5: pools.no name" // cannot name a pool
            "conduit.yaml:3:5: pools.no name" // has no backends
            "conduit.yaml:3:5: pools.no name.strateg"
            "conduit.yaml:4:12: pools.no name.retry"
            "conduit.yaml:13:7: pools.web.sticky_session.x"
            "conduit.yaml:11:16: pools.web.sticky_session.enabled"
            "conduit.yaml:12:21: pools.web.sticky_session.max_sessions"
            "conduit.yaml:6:15: pools.web.backends"
            "conduit.yaml:7:7: pools.web.health_check"
            "conduit.yaml:9:13: pools.web.health_check.rise"
        ],
        List.sort (places document)
    )

[<Fact>]
let ``faults of what a pool takes are told with their places`` () =
    let document =
        Doc.Section [
            "allow", ConfigDocuments.values [ "10.0.0.1/8" ]
            "max_body", value "10 apples"
            "max_in_flight", value "-1"
            "rate_limit",
            Doc.Section [
                "rate", value "0"
                "by", value "cookie"
                "max_keys", value "1"
                "exempt", value "::1"
            ]
            "trust_forwarded", value "true"
            "trusted_proxies", ConfigDocuments.values [ "::1" ]
            "hash_balance_factor", value "99"
            "hash_on", value "header:"
            ConfigDocuments.backends
        ]

    Assert.Equal<Set<string>>(
        set [
            "allow[0]: '10.0.0.1/8' has bits beyond the first 8"
            "max_body: '10 apples' is not a size"
            "max_in_flight: '-1' is not a whole number from 0 to 1000000"
            "rate_limit.rate: '0' is not a rate"
            "rate_limit.by: 'cookie' is nothing that clients are told apart by"
            "rate_limit.max_keys: '1' is not a whole number from 1024 to 16777216"
            "rate_limit.exempt: is not a list"
            "trust_forwarded trusts everybody, and trusted_proxies some"
            "hash_balance_factor: '99' is not a whole number from 100 to 1000"
            "hash_on: 'header:' has no name that could be there"
        ],
        ConfigDocuments.faults document
        |> List.map (fun fault ->
            let what = fault.Split(';')[0]
            what.Substring(what.IndexOf ' ' + 1))
        |> set
    )

[<Fact>]
let ``a session of less than a second is one by address only: no cookie lives for less`` () =
    let faults kind key timeout =
        ConfigDocuments.faults (
            Doc.Section [
                "sticky_session",
                Doc.Section [ "enabled", value "true"; "type", value kind; key, value timeout ]
                ConfigDocuments.backends
            ]
        )

    Assert.Empty(faults "ip" "timeout" "500ms")
    Assert.Empty(faults "cookie" "timeout" "1s")

    for key in [ "timeout"; "ttl" ] do
        Assert.Equal<string list>(
            [
                $"conduit.yaml:4:{5 + key.Length}: sticky_session.{key}: '999ms' is too short; 1000ms is the shortest"
            ],
            faults "cookie" key "999ms"
        )

[<Fact>]
let ``a rate limit without a rate is a fault, and one that is off is none`` () =
    let limit entries =
        Doc.Section [ "rate_limit", Doc.Section entries; ConfigDocuments.backends ]

    Assert.Equal<string list>(
        [ "conduit.yaml:2:3: rate_limit: has no rate; write rate: 10/s" ],
        ConfigDocuments.faults (limit [ "burst", value "1" ])
    )

    let pool = (ConfigDocuments.right (limit [ "enabled", value "false" ])).Pools.Head
    Assert.Equal(None, pool.Settings.Admission.RateLimit)

[<Theory>]
[<InlineData("10", 10, 1)>]
[<InlineData("10/s", 10, 1)>]
[<InlineData("600/m", 600, 60)>]
[<InlineData("1000000/h", 1000000, 3600)>]
let ``a rate is read in its period`` (text: string, tokens: int, seconds: int) =
    match Rate.parse "rate" text with
    | Error fault -> failwith (Fault.render fault)
    | Ok rate ->
        Assert.Equal(tokens, rate.Tokens)
        Assert.Equal(System.TimeSpan.FromSeconds(float seconds), rate.Period)
        Assert.Equal(Ok rate, Rate.parse "rate" (Rate.format rate))

[<Theory>]
[<InlineData("strateg", "strategy")>]
[<InlineData("stratgey", "strategy")>]
[<InlineData("health-check", "health_check")>]
[<InlineData("Backends", "backends")>]
[<InlineData("lb-port", "lb_port")>]
[<InlineData("pool", "pools")>]
let ``an unknown key is told with the nearest`` (key: string, nearest: string) =
    let document = Doc.Section [ ConfigDocuments.backends; key, value "1" ]
    Assert.Equal<string list>([ $"the key '{key}' is not known (did you mean {nearest}?)" ], whats document)

[<Fact>]
let ``an unknown key that is near to none is told with all that are known`` () =
    let document =
        Doc.Section [ ConfigDocuments.backends; "log", Doc.Section [ "colour", value "no" ] ]

    Assert.Equal<string list>(
        [
            "conduit.yaml:4:3: log.colour: the key 'colour' is not known; the keys here are format, level"
        ],
        ConfigDocuments.faults document
    )

[<Fact>]
let ``a key that stands twice is told at its second place`` () =
    let document =
        Doc.Section [
            "strategy", value "random"
            ConfigDocuments.backends
            "strategy", value "random"
            "log", Doc.Section [ "level", value "info"; "level", value "info"; "level", value "info" ]
        ]

    Assert.Equal<string list>(
        [
            "conduit.yaml:4:1: strategy: the key 'strategy' stands 2 times; keep one of them"
            "conduit.yaml:7:3: log.level: the key 'level' stands 3 times; keep one of them"
        ],
        ConfigDocuments.faults document |> List.sort
    )

[<Fact>]
let ``a pool that is described twice is told`` () =
    let pool = Doc.Section [ ConfigDocuments.backends ]

    Assert.Equal<string list>(
        [
            "conduit.yaml:5:3: pools.web: the key 'web' stands 2 times; keep one of them"
        ],
        ConfigDocuments.faults (Doc.Section [ "pools", Doc.Section [ "web", pool; "web", pool ] ])
    )

    Assert.Equal<string list>(
        [ "the pool default is described here and at the top" ],
        whats (Doc.Section [ ConfigDocuments.backends; "pools", Doc.Section [ "default", pool ] ])
    )

[<Theory>]
[<InlineData("strategy", "algorithm")>]
[<InlineData("listen", "server")>]
[<InlineData("listen", "lb_port")>]
[<InlineData("server", "lb_port")>]
let ``two keys that say the same are refused`` (first: string, second: string) =
    let text = value (if first = "strategy" then "random" else "80")

    // In either order.
    for keys in [ [ first; second ]; [ second; first ] ] do
        let document =
            Doc.Section(ConfigDocuments.backends :: List.map (fun key -> key, text) keys)

        Assert.Equal<string list>([ $"says the same as '{first}'" ], whats document)

[<Fact>]
let ``fall and failure_threshold say the same`` () =
    let document =
        Doc.Section [
            ConfigDocuments.backends
            "health_check", Doc.Section [ "fall", value "3"; "failure_threshold", value "3" ]
        ]

    Assert.Equal<string list>([ "says the same as 'fall'" ], whats document)

[<Fact>]
let ``no backends, and no pools, are refused`` () =
    let noBackends = "no backends are given"
    Assert.Equal<string list>([ noBackends ], whats (Doc.Section []))
    Assert.Equal<string list>([ noBackends ], whats Doc.Nothing)
    Assert.Equal<string list>([ noBackends ], whats (Doc.Section [ "strategy", value "random" ]))
    Assert.Equal<string list>([ noBackends ], whats (Doc.Section [ "backends", Doc.Items [] ]))
    Assert.Equal<string list>([ "names no pool" ], whats (Doc.Section [ "pools", Doc.Section [] ]))

    Assert.Equal<string list>(
        [ noBackends ],
        whats (Doc.Section [ "pools", Doc.Section [ "web", Doc.Nothing ] ])
    )

[<Fact>]
let ``the wrong kind of value is told as such`` () =
    let wrong key doc =
        whats (Doc.Section [ ConfigDocuments.backends; key, doc ])

    Assert.Equal<string list>([ "is not a section" ], wrong "log" (value "json"))
    Assert.Equal<string list>([ "is not a section" ], wrong "pools" (Doc.Items []))
    Assert.Equal<string list>([ "is not a section" ], wrong "retry" (value "3"))
    Assert.Equal<string list>([ "is not a single value" ], wrong "strategy" (Doc.Items [ value "random" ]))
    Assert.Contains("is not a section", whats (value "text"))

    Assert.Equal<string list>(
        [ "is not a list" ],
        whats (Doc.Section [ "backends", value "http://10.0.0.1" ])
    )

[<Fact>]
let ``backends that stand twice are told`` () =
    let document =
        Doc.Section [
            "backends",
            ConfigDocuments.values [ "http://a:1"; "http://A:1/"; "http://b:1;id=x"; "http://c:1;id=x" ]
        ]

    Assert.Equal<string list>(
        [ "the URL 'http://a:1' stands 2 times"; "the id 'x' stands 2 times" ],
        whats document
    )

[<Fact>]
let ``an admin port that is open to others needs a token`` () =
    let document entries =
        Doc.Section [ ConfigDocuments.backends; "admin", Doc.Section entries ]

    for host in [ "0.0.0.0"; "*"; "::"; "10.0.0.1" ] do
        Assert.Equal(1, (whats (document [ "host", value host ])).Length)
        Assert.Empty(whats (document [ "host", value host; "port", value "0" ]))
        Assert.Empty(whats (document [ "host", value host; "token", value "0123456789abcdef" ]))

    for host in [ "127.0.0.1"; "127.1.2.3"; "::1"; "localhost" ] do
        Assert.Empty(whats (document [ "host", value host ]))

[<Fact>]
let ``a fault of a flag names the flag`` () =
    let piece = Node.scalar (Origin.Given "--strategy") "fastest"

    let document =
        Layers.over (ConfigDocuments.node (Doc.Section [ ConfigDocuments.backends ])) [
            [ "strategy" ], piece
        ]

    match ReadConfig.read ConfigDocuments.noSecrets document with
    | Ok _ -> failwith "was accepted"
    | Error faults -> Assert.Equal<string list>([ "--strategy" ], List.map _.Where faults)

[<Fact>]
let ``the password in a URL is not shown`` () =
    for url in [ "http://me:s3cr3t@h:1"; "ftp://s3cr3t@h"; "http://a:s3cr3t@h:99999999" ] do
        let faults =
            ConfigDocuments.faults (Doc.Section [ "backends", ConfigDocuments.values [ url ] ])

        Assert.Equal(1, faults.Length)
        Assert.DoesNotContain("s3cr3t", String.concat "\n" faults)
