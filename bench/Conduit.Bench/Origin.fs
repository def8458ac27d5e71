namespace Conduit.Bench

open System
open System.IO
open Conduit.SystemTests

/// The backends: three ports of one nginx, all the same.
[<Sealed>]
type Origin private (directory: TemporaryDirectory, ports: int list, child: Child) =

    static let configuration (directory: TemporaryDirectory) (ports: int list) =
        let listens =
            ports
            |> List.map (fun port -> $"listen 127.0.0.1:{port} backlog=4096;")
            |> String.concat "\n        "

        $"""
daemon off;
worker_processes {Environment.ProcessorCount};
worker_rlimit_nofile 20000;
pid {directory.File "nginx.pid"};
error_log {directory.File "error.log"} warn;
events {{
    worker_connections 16384;
}}
http {{
    client_body_temp_path {directory.Create "body"};
    access_log off;
    default_type text/plain;
    keepalive_requests 1000000000;
    keepalive_timeout 75s;
    client_body_buffer_size 64k;
    open_file_cache max=10;
    sendfile on;
    tcp_nopush on;
    server {{
        {listens}
        root {directory.File "root"};
        location = /small {{
            return 200 'hello\n';
        }}
        location / {{
        }}
    }}
}}
"""

    member _.Ports = ports

    static member Start() = task {
        let directory = new TemporaryDirectory()
        let ports = List.init 3 (fun _ -> Ports.free ())
        let root = directory.Create "root"
        File.WriteAllBytes(Path.Combine(root, "10k"), Array.create (10 * 1024) 97uy)
        File.WriteAllBytes(Path.Combine(root, "1m"), Array.create (1024 * 1024) 97uy)
        let path = directory.File "nginx.conf"
        File.WriteAllText(path, configuration directory ports)

        let child =
            Child.Start(
                Programs.path Programs.nginx,
                [ "-p"; directory.Path; "-c"; path; "-e"; directory.File "error.log" ],
                []
            )

        for port in ports do
            let! _ = child.Listening port
            ()

        return new Origin(directory, ports, child)
    }

    interface IDisposable with
        member _.Dispose() =
            child.Send Signal.Terminate
            child.End(TimeSpan.FromSeconds 10.0).Wait()
            (child :> IDisposable).Dispose()
            (directory :> IDisposable).Dispose()
