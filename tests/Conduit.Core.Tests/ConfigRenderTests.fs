module Conduit.Tests.ConfigRenderTests

open FsCheck.FSharp
open Xunit
open Conduit

let private read node =
    ReadConfig.read ConfigDocuments.noSecrets node

/// The document with the token itself instead of its mask.
let private unmasked (config: Config) =
    match config.Admin |> Option.bind _.Token with
    | Some token ->
        let token = Node.scalar (Origin.Given "token") (token.Reveal())
        Render.node config |> Node.put [ "admin"; "token" ] token
    | None -> Render.node config

[<Fact>]
let ``what is rendered reads back as the same configuration`` () =
    Property.check (
        Prop.forAll ConfigGenerators.arbitrary (fun (config: Config) -> read (unmasked config) = Ok config)
    )

[<Fact>]
let ``a mask is not read as a token`` () =
    Property.check (
        Prop.forAll ConfigGenerators.arbitrary (fun (config: Config) ->
            match config.Admin |> Option.bind _.Token, read (Render.node config) with
            | None, Ok read -> read = config
            | Some _, Error [ fault ] -> fault.What = "the token is shorter than 16 bytes"
            | _ -> false)
    )

[<Fact>]
let ``every default is filled in`` () =
    let rec paths (prefix: string) (node: Node) = [
        match node.Value with
        | NodeValue.Mapping entries ->
            for entry in entries do
                yield! paths $"{prefix}.{entry.Key}" entry.Node
        | _ -> prefix.TrimStart '.'
    ]

    Assert.Equal<string list>(
        [
            "listen.host"
            "listen.port"
            "listen.max_request_line"
            "listen.max_header_size"
            "listen.max_header_count"
            "listen.header_timeout"
            "listen.keep_alive_timeout"
            "listen.min_rate"
            "listen.min_rate_grace"
            "admin.host"
            "admin.port"
            "admin.read_only"
            "drain_timeout"
            "metrics.enabled"
            "trust_forwarded"
            "transport"
            "log.format"
            "log.level"
            "pools.default.strategy"
            "pools.default.hash_on"
            "pools.default.hash_table"
            "pools.default.hash_balance_factor"
            "pools.default.max_in_flight"
            "pools.default.max_body"
            "pools.default.slow_start"
            "pools.default.health_check.type"
            "pools.default.health_check.interval"
            "pools.default.health_check.timeout"
            "pools.default.health_check.rise"
            "pools.default.health_check.fall"
            "pools.default.retry.max_retries"
            "pools.default.retry.initial_interval"
            "pools.default.retry.max_interval"
            "pools.default.retry.multiplier"
            "pools.default.retry.randomization"
            "pools.default.retry.budget.percentage"
            "pools.default.retry.budget.per_second"
            "pools.default.retry.buffer"
            "pools.default.timeouts.connect"
            "pools.default.timeouts.response"
            "pools.default.timeouts.idle"
            "pools.default.protocol"
            "pools.default.send_proxy"
            "pools.default.backends"
        ],
        Doc.Section [ ConfigDocuments.backends ]
        |> ConfigDocuments.right
        |> Render.node
        |> paths ""
    )
