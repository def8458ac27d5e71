namespace Conduit.Bench

open System
open System.IO
open Conduit.SystemTests

[<RequireQualifiedAccess>]
module internal CaddyPeer =

    open PeerKit

    let private caddyProgram = program "caddy" "caddy"

    let private configuration (setup: Setup) =
        let scheme, tls =
            if isTls setup then
                "https", $"tls {setup.Certificate.CertFile} {setup.Certificate.KeyFile}"
            else
                "http", ""

        let backends = setup.Backends |> List.map (fun port -> $"127.0.0.1:{port}")

        $"""
{{
    admin off
    auto_https off
    log {{
        level ERROR
    }}
}}
{scheme}://127.0.0.1:{setup.Port} {{
    {tls}
    reverse_proxy {String.concat " " backends} {{
        lb_policy least_conn
        transport http {{
            keepalive_idle_conns_per_host 4096
            compression off
        }}
    }}
}}
"""

    let peer = {
        Name = "caddy"
        Prepare = ignore
        Version = version caddyProgram "version"
        Command =
            fun setup ->
                let path = write setup "Caddyfile" (configuration setup)

                Programs.path caddyProgram,
                [ "run"; "--config"; path; "--adapter"; "caddyfile" ],
                [
                    "GOMAXPROCS", Some(string threads)
                    "XDG_DATA_HOME", Some(setup.Directory.Create "data")
                    "XDG_CONFIG_HOME", Some(setup.Directory.Create "config")
                ]
        Serves = besideConduit
        Allocated = fun _ -> None
    }
