namespace Conduit.Bench

open System
open System.IO
open Conduit.SystemTests

/// nginx as a proxy.
[<RequireQualifiedAccess>]
module internal NginxPeer =

    open PeerKit

    let private configuration (setup: Setup) =
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

    let peer = {
        Name = "nginx"
        Prepare = ignore
        Version = version Programs.nginx "-v"
        Command =
            fun setup ->
                let path = write setup "nginx.conf" (configuration setup)

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
        Serves = besideConduit
        Allocated = fun _ -> None
    }
