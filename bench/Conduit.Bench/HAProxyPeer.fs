namespace Conduit.Bench

open System
open System.IO
open Conduit.SystemTests

[<RequireQualifiedAccess>]
module internal HAProxyPeer =

    open PeerKit

    let private haproxyProgram = program "haproxy" "haproxy"

    let private configuration (setup: Setup) =
        let bind =
            match setup.Protocol with
            | Protocol.Http1 -> ""
            | Protocol.Http1Tls -> $" ssl crt {setup.Certificate.PemFile}"
            | Protocol.Http2Tls -> $" ssl crt {setup.Certificate.PemFile} alpn h2,http/1.1"

        $"""
global
    maxconn 9000
    nbthread {threads}
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    option http-keep-alive
    http-reuse always
frontend traffic
    bind 127.0.0.1:{setup.Port} backlog 4096{bind}
    option forwardfor
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %%[req.hdr(host)]
    default_backend backends
backend backends
    balance leastconn
    default-server check inter 5s
    {lines "    " (fun port -> $"server s{port} 127.0.0.1:{port}") setup}
"""

    let peer = {
        Name = "haproxy"
        Prepare = ignore
        Version = version haproxyProgram "-v"
        Command =
            fun setup ->
                let path = write setup "haproxy.cfg" (configuration setup)
                Programs.path haproxyProgram, [ "-db"; "-f"; path ], []
        Serves = besideConduit
        Allocated = fun _ -> None
    }
