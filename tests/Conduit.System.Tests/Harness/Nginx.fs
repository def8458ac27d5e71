namespace Conduit.SystemTests

open System
open System.IO

/// A real nginx as a backend, in one process, so that a kill of its id leaves nothing of it.
///
/// `/` answers 200 with the backend's name; `/files/` has the files of `Files`; `/trickle/` has the same at
/// 100 kB a second; a PUT below `/upload/` stores a file in `Uploads`. Each request is a line of its log,
/// written at once.
[<Sealed>]
type Nginx(name: string) =

    let directory = new TemporaryDirectory()
    let port = Ports.free ()
    let files = directory.Create "root/files"
    let uploads = directory.Create "root/upload"
    let log = directory.File "requests.log"
    let mutable running: Child option = None

    let temporaryPaths =
        [ "client_body"; "proxy"; "fastcgi"; "uwsgi"; "scgi" ]
        |> List.map (fun kind -> $"{kind}_temp_path {directory.Create kind};")
        |> String.concat "\n    "

    let configuration =
        $"""
daemon off;
master_process off;
pid {directory.File "nginx.pid"};
error_log {directory.File "error.log"} warn;
events {{
    worker_connections 4096;
}}
http {{
    {temporaryPaths}
    log_format request '$msec $request_method $request_uri';
    access_log {log} request;
    default_type text/plain;
    keepalive_requests 1000000;
    keepalive_timeout 65s;
    client_max_body_size 0;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {directory.File "root"};
        location / {{
            return 200 '{name}\n';
        }}
        location /files/ {{
        }}
        location /trickle/ {{
            alias {files}/;
            limit_rate 100k;
        }}
        location /upload/ {{
            dav_methods PUT;
        }}
    }}
}}
"""

    member _.Name = name

    member _.Port = port

    member _.Url = $"http://127.0.0.1:{port}"

    /// The directory behind `/files/` and `/trickle/`.
    member _.Files = files

    /// Puts a file of so many bytes there.
    member _.AddFile (file: string) (size: int) =
        File.WriteAllBytes(Path.Combine(files, file), Array.create size 97uy)

    /// The directory that PUTs below `/upload/` fill.
    member _.Uploads = uploads

    /// Starts it, for the first time or again on the same port, and waits until it accepts connections.
    member _.Start() = task {
        let path = directory.File "nginx.conf"
        File.WriteAllText(path, configuration)

        let child =
            Child.Start(
                Programs.path Programs.nginx,
                [ "-p"; directory.Path; "-c"; path; "-e"; directory.File "error.log" ],
                []
            )

        running <- Some child
        let! _ = child.Listening port
        return ()
    }

    /// Ends it as a power cut would: no connection is closed properly.
    member _.Kill() =
        running
        |> Option.iter (fun child ->
            child.Send Signal.Kill
            (child :> IDisposable).Dispose())

        running <- None

    /// The targets of the requests so far, in the order in which they were answered.
    member _.Requests =
        if File.Exists log then
            // The last line may still be in the middle of being written.
            File.ReadAllLines log
            |> Array.choose (fun line -> line.Split ' ' |> Array.tryItem 2)
        else
            [||]

    /// How many requests for the target it has answered.
    member this.Count target =
        this.Requests |> Array.filter ((=) target) |> Array.length

    interface IDisposable with
        member this.Dispose() =
            this.Kill()
            (directory :> IDisposable).Dispose()

/// Several of them, ended together.
[<Sealed>]
type NginxGroup(names: string list) =

    let servers = names |> List.map (fun name -> new Nginx(name))

    member _.Servers = servers

    member _.Urls = servers |> List.map _.Url

    /// Starts all of them; they accept connections when this returns.
    member _.Start() = task {
        for server in servers do
            do! server.Start()
    }

    interface IDisposable with
        member _.Dispose() =
            for server in servers do
                (server :> IDisposable).Dispose()
