namespace Conduit.Bench

open System
open System.IO
open System.Net.Http
open System.Text.RegularExpressions
open Conduit.SystemTests

/// The proxies, set up for the same work: as many threads as there are processors, kept connections to the
/// backends, the fewest requests in flight where they have that, `X-Forwarded-For`, `-Proto` and `-Host`, no
/// log of requests. Health checks of those that have any stay on.
[<RequireQualifiedAccess>]
module Peers =

    let private threads = Environment.ProcessorCount

    let private program name package : Program = { Name = name; Package = package }

    let private haproxyProgram = program "haproxy" "haproxy"
    let private caddyProgram = program "caddy" "caddy"
    let private goProgram = program "go" "golang-go"

    let private run (program: string) (arguments: string list) =
        let ended =
            Child.Run(program, arguments, [], TimeSpan.FromMinutes 5.0).GetAwaiter().GetResult()

        let said = String.concat "\n" (ended.Output @ ended.Errors)

        if ended.ExitCode <> 0 then
            failwith $"{program} ended with exit code {ended.ExitCode}:\n{said}"

        said

    let private versionIn (said: string) =
        Regex.Match(said, @"\d+\.\d+(\.\d+)?").Value

    let private version program argument () =
        versionIn (run (Programs.path program) [ argument ])

    let private write (setup: Setup) (name: string) (text: string) =
        let path = setup.Directory.File name
        File.WriteAllText(path, text)
        path

    let private isTls setup = setup.Protocol <> Protocol.Http1

    let private lines (indent: string) (each: int -> string) (setup: Setup) =
        setup.Backends |> List.map each |> String.concat ("\n" + indent)

    let private always _ = true

    let private nginxText (setup: Setup) =
        let listen =
            match setup.Protocol with
            | Protocol.Http1 -> $"listen 127.0.0.1:{setup.Port} backlog=4096 reuseport;"
            | protocol ->
                let http2 = if protocol = Protocol.Http2Tls then " http2" else ""

                $"listen 127.0.0.1:{setup.Port} backlog=4096 reuseport ssl{http2};\n"
                + $"        ssl_certificate {setup.Certificate.CertFile};\n"
                + $"        ssl_certificate_key {setup.Certificate.KeyFile};"

        $"""
daemon off;
worker_processes {threads};
worker_rlimit_nofile 20000;
pid {setup.Directory.File "nginx.pid"};
error_log {setup.Directory.File "error.log"} warn;
events {{
    worker_connections 16384;
}}
http {{
    client_body_temp_path {setup.Directory.Create "body"};
    proxy_temp_path {setup.Directory.Create "proxy"};
    access_log off;
    keepalive_requests 1000000000;
    upstream backends {{
        zone backends 64k;
        least_conn;
        {lines "        " (fun port -> $"server 127.0.0.1:{port};") setup}
        keepalive 4096;
        keepalive_requests 1000000000;
    }}
    server {{
        {listen}
        client_max_body_size 0;
        client_body_buffer_size 64k;
        location / {{
            proxy_pass http://backends;
            proxy_http_version 1.1;
            proxy_max_temp_file_size 0;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
        }}
    }}
}}
"""

    let private nginx = {
        Name = "nginx"
        Prepare = ignore
        Version = version Programs.nginx "-v"
        Command =
            fun setup ->
                let path = write setup "nginx.conf" (nginxText setup)

                Programs.path Programs.nginx,
                [
                    "-p"
                    setup.Directory.Path
                    "-c"
                    path
                    "-e"
                    setup.Directory.File "error.log"
                ],
                []
        Serves = always
        Allocated = fun _ -> None
    }

    let private haproxyText (setup: Setup) =
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

    let private haproxy = {
        Name = "haproxy"
        Prepare = ignore
        Version = version haproxyProgram "-v"
        Command =
            fun setup ->
                let path = write setup "haproxy.cfg" (haproxyText setup)
                Programs.path haproxyProgram, [ "-db"; "-f"; path ], []
        Serves = always
        Allocated = fun _ -> None
    }

    let private caddyText (setup: Setup) =
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

    let private caddy = {
        Name = "caddy"
        Prepare = ignore
        Version = version caddyProgram "version"
        Command =
            fun setup ->
                let path = write setup "Caddyfile" (caddyText setup)

                Programs.path caddyProgram,
                [ "run"; "--config"; path; "--adapter"; "caddyfile" ],
                [
                    "GOMAXPROCS", Some(string threads)
                    "XDG_DATA_HOME", Some(setup.Directory.Create "data")
                    "XDG_CONFIG_HOME", Some(setup.Directory.Create "config")
                ]
        Serves = always
        Allocated = fun _ -> None
    }

    let private root = Programs.root.Value

    let private ports (setup: Setup) =
        setup.Backends |> List.map string |> String.concat ","

    let private yarp = {
        Name = "yarp"
        Prepare =
            fun () ->
                run "dotnet" [
                    "build"
                    Path.Combine(root, "bench/peers/yarp")
                    "-c"
                    "Release"
                    "-v"
                    "quiet"
                ]
                |> ignore
        Version = fun () -> "2.1.0"
        Command =
            fun setup ->
                Path.Combine(root, "artifacts/bin/Yarp/release/yarp"),
                [
                    string setup.Port
                    ports setup
                    if isTls setup then
                        setup.Certificate.PfxFile
                ],
                []
        Serves = always
        Allocated = fun _ -> None
    }

    let private goProxy = Path.Combine(root, "artifacts/bench/goproxy")

    let private go = {
        Name = "go"
        Prepare =
            fun () ->
                run (Programs.path goProgram) [
                    "build"
                    "-o"
                    goProxy
                    Path.Combine(root, "bench/peers/go/main.go")
                ]
                |> ignore
        Version = version goProgram "version"
        Command =
            fun setup ->
                goProxy,
                [
                    string setup.Port
                    ports setup
                    if isTls setup then
                        setup.Certificate.CertFile
                        setup.Certificate.KeyFile
                ],
                [ "GOMAXPROCS", Some(string threads) ]
        Serves = always
        Allocated = fun _ -> None
    }

    let private conduitText (setup: Setup) =
        let backend port = $"    - http://127.0.0.1:{port}"

        let tls =
            if isTls setup then
                $"  tls: {{ enabled: true, cert_file: {setup.Certificate.CertFile}, key_file: {setup.Certificate.KeyFile} }}\n"
            else
                ""

        $"""
listen:
  host: 127.0.0.1
  port: {setup.Port}
{tls}admin:
  port: {setup.AdminPort}
strategy: least-connections
backends:
{setup.Backends |> List.map backend |> String.concat "\n"}
"""

    let private client = new HttpClient()

    /// The runtime's own counter, as the admin port tells it.
    let private allocated (setup: Setup) =
        use answer =
            client.GetAsync($"http://127.0.0.1:{setup.AdminPort}/metrics").GetAwaiter().GetResult()

        let text = answer.Content.ReadAsStringAsync().GetAwaiter().GetResult()

        match Regex.Match(text, @"(?m)^dotnet_gc_allocated_bytes_total ([\d.e+]+)") with
        | found when found.Success -> Some(int64 (float found.Groups[1].Value))
        | _ -> None

    let private conduit = {
        Name = "conduit"
        Prepare = ignore
        Version = fun () -> versionIn (run Programs.conduit.Value [ "--version" ])
        Command =
            fun setup ->
                let path = write setup "conduit.yaml" (conduitText setup)
                Programs.conduit.Value, [ "--config"; path ], []
        Serves = always
        Allocated = allocated
    }

    let all = [ conduit; nginx; haproxy; caddy; yarp; go ]
