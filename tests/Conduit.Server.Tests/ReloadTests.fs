module Conduit.Server.Tests.ReloadTests

open System
open System.IO
open System.Net
open System.Net.Http
open System.Net.Sockets
open System.Text.Json
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

/// The texts of a list under a name.
let private texts (name: string) (json: JsonElement) = [
    for each in json.GetProperty(name).EnumerateArray() -> string (each.GetString())
]

/// A balancer over a file of the test's own, as an operator runs it.
[<Sealed>]
type private Operated(directory: ConfigDirectory, running: Running) =
    let client = new HttpClient(Timeout = Eventually.patience)

    let ask (method: HttpMethod) (path: string) : Task<int * JsonElement> = task {
        use request = new HttpRequestMessage(method, running.AdminUrl + path)
        request.Headers.Add("X-Conduit-Request", "1")
        use! answer = client.SendAsync request
        let! text = answer.Content.ReadAsStringAsync()
        return int answer.StatusCode, JsonDocument.Parse(text).RootElement
    }

    member _.Running = running
    member _.Write text = directory.Write "conduit.yaml" text

    /// What `/api/v1/config` says.
    member _.Config() : Task<JsonElement> = task {
        let! _, config = ask HttpMethod.Get "/api/v1/config"
        return config
    }

    /// What a reload would answer.
    member _.Preview() : Task<int * JsonElement> = ask HttpMethod.Get "/api/v1/reload"

    /// Puts the file in place and has it read: the status, and what the answer says.
    member this.Reload(text: string) : Task<int * JsonElement> =
        this.Write text
        ask HttpMethod.Post "/api/v1/reload"

    /// Reloads, and gives the changes that the answer names. The log and the API must say the same.
    member this.Change(text: string) : Task<string list> = task {
        let! status, report = this.Reload text
        Assert.Equal(200, status)

        let version = report.GetProperty("version").GetInt32()
        let! config = this.Config()
        Assert.Equal(version, config.GetProperty("version").GetInt32())
        Assert.Equal<string list>(texts "changes" report, texts "changes" config)

        let told =
            match texts "changes" report with
            | [] -> "nothing changed"
            | lines -> String.concat "; " lines

        Assert.Contains(
            running.Log.Lines,
            fun line -> line.Text = $"Configuration {version} is in force: {told}"
        )

        return texts "changes" report
    }

    interface IDisposable with
        member _.Dispose() = client.Dispose()

/// A port that was free a moment ago.
let private freePort () =
    use socket =
        new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)

    socket.Bind(IPEndPoint(IPAddress.Loopback, 0))

    match socket.LocalEndPoint with
    | :? IPEndPoint as bound -> bound.Port
    | _ -> failwith "the socket is not bound"

/// Backends that are checked once, and do not go down; `rest` is put below.
let private file (backends: string list) (port: int) (rest: string) =
    let items =
        backends |> List.map (fun backend -> $"\n  - {backend}") |> String.concat ""

    $"listen: {{ host: 127.0.0.1, port: {port} }}\n"
    + "health_check: { type: tcp, interval: 1h, rise: 1, fall: 1000 }\n"
    + $"backends:{items}\n{rest}"

/// Runs a test with a balancer that read `text` from a file. The admin port takes any free port.
let private operate (text: string) (test: Operated -> Task) : Task = task {
    use directory = new ConfigDirectory()
    directory.Write "conduit.yaml" text
    use log = new CapturedLog()

    let source = {
        File = Some(directory.Path "conduit.yaml")
        Overlay = []
    }

    let loaded = Trees.right (ConfigSource.load source)

    let admin = {
        EndPoint = IPEndPoint(IPAddress.Loopback, 0)
        Asked = true
        Token = None
        Hosts = []
        ReadOnly = false
    }

    let withAdmin = {
        loaded with
            Config = {
                loaded.Config with
                    Admin = Some admin
            }
    }

    match! LoadBalancer.Run(source, withAdmin, log.Factory) with
    | Error failure -> failwith (Balancers.reason failure)
    | Ok balancer ->
        use! running = Task.FromResult(Running(balancer, log))
        use operated = new Operated(directory, running)

        do!
            Eventually.holds "the first checks are done" (fun () ->
                running.Backends
                |> Array.forall (fun backend -> backend.Health <> Health.Unproven))

        do! test operated
}

let private names (running: Running) = [
    for backend in running.Backends -> $"{BackendId.value backend.Spec.Id}={Weight.value backend.Spec.Weight}"
]

/// What the file says of the admin port differs from what the test made of it.
let private adminLine = "admin: takes effect at the next start"

[<Fact>]
let ``limits on heads change in place, and connections stay`` () = task {
    use backend = ScriptedBackend.Start(Script.always (Script.ok "fine"))
    let port = freePort ()

    let limited limits =
        (file [ backend.Url ] port "").Replace("host: 127.0.0.1", $"host: 127.0.0.1{limits}")

    do!
        operate (limited "") (fun operated -> task {
            use! client = operated.Running.Connect()
            let long = String('x', 300)
            let line = $"GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n"
            let fields = $"GET / HTTP/1.1\r\nHost: h\r\nA: {long}\r\nB: b\r\n\r\n"
            let! response = client.Ask line
            Assert.Equal(200, Message.status response)

            let! changes =
                operated.Change(limited ", max_request_line: 256, max_header_count: 2")

            Assert.Equal<string list>(
                [ "listen.max_request_line: 256"; "listen.max_header_count: 2"; adminLine ],
                changes
            )

            let! response = client.Ask "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
            Assert.Equal(200, Message.status response)
            let! response = client.Ask line
            Assert.Equal(414, Message.status response)
            let! response = operated.Running.Ask fields
            Assert.Equal(431, Message.status response)
        })
}

[<Fact>]
let ``weights change, backends come and go, and what stays keeps its connections`` () = task {
    use a = ScriptedBackend.Start(Script.always (Script.ok "a"))
    use b = ScriptedBackend.Start(Script.always (Script.ok "b"))
    let one = $"{a.Url};id=a"

    do!
        operate (file [ one ] (freePort ()) "") (fun operated -> task {
            let running = operated.Running
            let port = running.Port
            use! client = running.Connect()
            let! first = client.Ask "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
            Assert.Equal("a", Message.text first)

            let! changes =
                operated.Change(file [ one + ";weight=3"; $"{b.Url};id=b;weight=2" ] port "")

            Assert.Equal<string list>(
                [
                    adminLine
                    "pool default: backend a has weight 3"
                    "pool default: backend b added"
                ],
                changes
            )

            Assert.Equal<string list>([ "a=3"; "b=2" ], names running)

            let! changes = operated.Change(file [ $"{b.Url};id=b;weight=2" ] port "")
            Assert.Equal<string list>([ "pool default: backend a removed" ], changes)
            // The client's connection has lived through it, and the backend's too.
            let! last = client.Ask "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
            Assert.Equal("b", Message.text last)
            Assert.Equal(1, a.Connections)

            let! changes =
                operated.Change(file [ $"{b.Url};id=b;weight=2" ] port "# as before\n")

            Assert.Equal<string list>([], changes)
        })
}

[<Fact>]
let ``settings outside of pools take effect, and are told by name`` () = task {
    use a = ScriptedBackend.Start(Script.always (Script.ok "a"))

    do!
        operate (file [ a.Url ] (freePort ()) "") (fun operated -> task {
            let running = operated.Running
            let forwarded = "GET /x HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n"
            let! _ = running.Ask forwarded
            Assert.Equal(Some "127.0.0.1", Message.value "X-Forwarded-For" a.Request)

            let! changes =
                operated.Change(
                    file
                        [ a.Url ]
                        running.Port
                        "stats_path: /stats\ntrust_forwarded: true\ndrain_timeout: 0s\n"
                )

            Assert.Equal<string list>(
                [
                    "drain_timeout: 0ms"
                    "stats_path: /stats"
                    "trust_forwarded: true"
                    adminLine
                ],
                changes
            )

            let! _ = running.Ask forwarded
            Assert.Equal(Some "9.9.9.9, 127.0.0.1", Message.value "X-Forwarded-For" a.Requests[1])
            let! stats = running.Get "/stats"
            Assert.Contains("conn_count", Message.text stats)

            let! changes = operated.Change(file [ a.Url ] running.Port "drain_timeout: 0s\n")
            Assert.Equal<string list>([ "stats_path: none"; "trust_forwarded: false" ], changes)
        })
}

[<Theory>]
[<InlineData("backends: [", "is not YAML")>]
[<InlineData("strategy: best\n", "the key 'strategy'")>]
[<InlineData("stratgy: random\n", "did you mean strategy?")>]
[<InlineData("---\nbackends: [http://h]\n", "a second document begins")>]
let ``a bad file changes nothing, and its fault is in the answer, the configuration and the log``
    (addition: string, what: string)
    = task {
    use a = ScriptedBackend.Start(Script.always (Script.ok "a"))
    let port = freePort ()
    let good = file [ $"{a.Url};id=a" ] port "strategy: round-robin\n"

    do!
        operate good (fun operated -> task {
            let running = operated.Running
            let before = running.Balancer.Agent.Current

            // Its good part must not be applied either.
            let bad =
                file [ $"{a.Url};id=a;weight=9" ] port "strategy: round-robin\n" + addition

            let! status, problem = operated.Reload bad
            Assert.Equal(422, status)
            Assert.Contains(what, problem.GetRawText())

            Assert.Same(before, running.Balancer.Agent.Current)
            let! answer = running.Get "/"
            Assert.Equal("a", Message.text answer)

            let! config = operated.Config()
            Assert.Equal(1, config.GetProperty("version").GetInt32())
            let fault = config.GetProperty("last_failure").GetProperty("faults")[0]
            Assert.Matches(@"conduit\.yaml:\d+:\d+", fault.GetProperty("where").GetString())
            Assert.Contains(what, fault.GetProperty("what").GetString())

            Assert.Contains(
                running.Log.Errors,
                fun line -> line.StartsWith "The new configuration is refused" && line.Contains what
            )

            // What is right again is in force again, and the fault is forgotten.
            let! changes = operated.Change good
            Assert.Equal<string list>([ adminLine ], changes)
            let! config = operated.Config()
            Assert.Equal(JsonValueKind.Null, config.GetProperty("last_failure").ValueKind)
        })
}

[<Fact>]
let ``a file that changes is read without being asked for, once, whoever reads it first`` () = task {
    use a = ScriptedBackend.Start(Script.always (Script.ok "a"))

    do!
        operate (file [ $"{a.Url};id=a" ] (freePort ()) "") (fun operated -> task {
            let running = operated.Running
            operated.Write(file [ $"{a.Url};id=a;weight=7" ] running.Port "")

            do! Eventually.holds "the new weight is in force" (fun () -> names running = [ "a=7" ])

            // Read on demand, it is no news for the watch; the next version is, and is the fourth.
            let! _ = operated.Change(file [ $"{a.Url};id=a;weight=8" ] running.Port "")
            operated.Write(file [ $"{a.Url};id=a;weight=19" ] running.Port "")
            do! Eventually.holds "the last weight is in force" (fun () -> names running = [ "a=19" ])
            let! config = operated.Config()
            Assert.Equal(4, config.GetProperty("version").GetInt32())
        })
}

/// Answers `/slow` when it is let go, anything else at once.
let private slow (go: Task) : Script =
    fun connection -> task {
        let mutable going = true

        while going do
            match! connection.ReadRequest() with
            | None -> going <- false
            | Some request ->
                if Message.target request = "/slow" then
                    do! go

                do! connection.Send(Script.ok "fine")
    }

let private isRefused (port: int) : Task<bool> = task {
    try
        use! _ = RawClient.Connect port
        return false
    with :? SocketException ->
        return true
}

let private closed (port: int) : Task = task {
    let mutable over = false

    while not over do
        let! refused = isRefused port
        over <- refused
}

let private sendSlow (running: Running) (backend: ScriptedBackend) = task {
    let! client = running.Connect()
    do! client.Send "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n"
    do! Eventually.holds "the request is in flight" (fun () -> backend.Requests.Length = 1)
    return client
}

[<Fact>]
let ``a changed port opens before the old one drains, and a request in flight there finishes`` () = task {
    let go = TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)
    use backend = ScriptedBackend.Start(slow go.Task)
    let first, second = freePort (), freePort ()

    do!
        operate (file [ backend.Url ] first "drain_timeout: 1h\n") (fun operated -> task {
            let running = operated.Running
            use! inFlight = sendSlow running backend
            let! changes = operated.Change(file [ backend.Url ] second "drain_timeout: 1h\n")
            Assert.Equal<string list>([ $"listen: 127.0.0.1:{second}"; adminLine ], changes)

            // The new one answers at once; the old one takes nothing new, and is not done.
            Assert.Equal(second, running.Port)
            let! answer = running.Get "/"
            Assert.Equal("fine", Message.text answer)
            do! closed(first).WaitAsync Eventually.patience

            go.SetResult()
            let! response = inFlight.ReadResponse()
            Assert.Equal("fine", Message.text response)
            Assert.Equal(Some "close", Message.value "Connection" response)

            do!
                Eventually.holds "the old port is told as closed" (fun () ->
                    running.Log.Lines
                    |> List.exists (fun line ->
                        line.Text = $"No longer listening on http://127.0.0.1:{first}, 0 requests cut off"))

            let! again = running.Get "/"
            Assert.Equal("fine", Message.text again)
        })
}

[<Fact>]
let ``a port that cannot be had leaves the old one as it was`` () = task {
    use backend = ScriptedBackend.Start(Script.always (Script.ok "fine"))
    use taken = new RefusingPort()
    taken.Listen()
    let port = freePort ()

    do!
        operate (file [ backend.Url ] port "") (fun operated -> task {
            let! status, problem =
                operated.Reload(file [ backend.Url; "http://127.0.0.1:1" ] taken.Port "")

            Assert.Equal(422, status)
            Assert.Contains("is taken", problem.GetRawText())
            let! answer = operated.Running.Get "/"
            Assert.Equal("fine", Message.text answer)
            Assert.Equal(port, operated.Running.Port)
            Assert.Single operated.Running.Backends |> ignore
        })
}

[<Fact>]
let ``the stop waits for a port that still drains`` () = task {
    let go = TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)
    use backend = ScriptedBackend.Start(slow go.Task)

    do!
        operate (file [ backend.Url ] (freePort ()) "drain_timeout: 1h\n") (fun operated -> task {
            let running = operated.Running
            use! inFlight = sendSlow running backend
            let! _ = operated.Change(file [ backend.Url ] (freePort ()) "drain_timeout: 1h\n")
            let port = running.Port
            let stopping = running.Stop()
            // The port in use has nothing to finish, and is closed; the old one has.
            do! closed(port).WaitAsync Eventually.patience
            Assert.False stopping.IsCompleted
            go.SetResult()
            let! response = inFlight.ReadResponse()
            Assert.Equal("fine", Message.text response)
            let! cut = Eventually.finishes "the balancer stops" stopping
            Assert.Equal(0, cut)
        })
}

[<Fact>]
let ``the stop cuts off what a port that still drains has left when its own timeout is over`` () = task {
    use backend = ScriptedBackend.Start Script.silent

    do!
        operate (file [ backend.Url ] (freePort ()) "drain_timeout: 1h\n") (fun operated -> task {
            let running = operated.Running
            use! _ = sendSlow running backend
            let! _ = operated.Change(file [ backend.Url ] (freePort ()) "drain_timeout: 1h\n")
            let! _ = operated.Change(file [ backend.Url ] running.Port "drain_timeout: 10ms\n")
            let! cut = Eventually.finishes "the balancer stops" (running.Stop())
            Assert.Equal(1, cut)
        })
}

[<Fact>]
let ``a start without its port asks nothing of the backends, and leaves nothing running`` () = task {
    use backend = ScriptedBackend.Start Script.silent
    use taken = new RefusingPort()
    taken.Listen()
    use log = new CapturedLog()

    let start (port: int) (adminPort: int) =
        let text = file [ backend.Url ] port $"admin: {{ port: {adminPort} }}\n"
        use directory = new ConfigDirectory()
        directory.Write "c.yaml" text

        let source = {
            File = Some(directory.Path "c.yaml")
            Overlay = []
        }

        LoadBalancer.Start(source, log.Factory)

    for port, adminPort, place in
        [
            taken.Port, freePort (), "c.yaml:1:34: listen.port"
            freePort (), taken.Port, "c.yaml:5:16: admin.port"
        ] do
        match! start port adminPort with
        | Error(StartFailure.Port fault) ->
            Assert.EndsWith(place, fault.Where)
            Assert.Contains("is taken", fault.What)
        | other -> failwith $"%A{other}"

    // A balancer that starts checks once, and when it has, nobody else has.
    match! start (freePort ()) 0 with
    | Error failure -> failwith $"%A{failure}"
    | Ok balancer ->
        use! running = Task.FromResult(Running(balancer, log))

        do!
            Eventually.holds "the first check is done" (fun () ->
                running.Backends[0].Health <> Health.Unproven)

        // The system completes a connection before the backend has seen it.
        do! Eventually.holds "the check has arrived" (fun () -> backend.Accepted > 0)
        Assert.Equal(1, backend.Accepted)
}

[<Fact>]
let ``a preview tells what a reload would do, and does none of it`` () = task {
    let one, two = "http://10.0.0.1:1;id=a", "http://10.0.0.2:1;id=b"
    let port = freePort ()

    do!
        operate (file [ one ] port "") (fun operated -> task {
            operated.Write(file [ one; two ] port "")
            let! status, preview = operated.Preview()
            Assert.Equal(200, status)

            Assert.Equal<string list>(
                [ adminLine; "pool default: backend b added" ],
                texts "changes" preview
            )

            Assert.Equal(2, preview.GetProperty("version").GetInt32())

            operated.Write "lisen: 1"
            let! status, problem = operated.Preview()
            Assert.Equal(422, status)
            Assert.Equal("urn:problem-type:conduit:reload-failed", problem.GetProperty("type").GetString())

            Assert.Equal<string list>([ "a=1" ], names operated.Running)
            let! config = operated.Config()
            Assert.Equal(1, config.GetProperty("version").GetInt32())
            Assert.Equal(JsonValueKind.Null, config.GetProperty("last_failure").ValueKind)
        })
}

[<Fact>]
let ``what slow clients get changes in place, and connections to come have it`` () = task {
    use a = ScriptedBackend.Start(Script.always (Script.ok "a"))

    do!
        operate (file [ a.Url ] (freePort ()) "") (fun operated -> task {
            let running = operated.Running
            let port = running.Port
            let listen = $"listen: {{ host: 127.0.0.1, port: {port} }}"

            let limited =
                $"listen: {{ host: 127.0.0.1, port: {port}, header_timeout: 1s, min_rate: 1KB }}"

            let! changes = operated.Change((file [ a.Url ] port "").Replace(listen, limited))

            Assert.Equal<string list>(
                [ "listen.header_timeout: 1s"; "listen.min_rate: 1024"; adminLine ],
                changes
            )

            use! client = running.Connect()
            do! client.Send "GET / HTTP/1.1\r\nHost:"
            let! head = client.ReadHead()
            Assert.Equal(408, Message.status head)
        })
}
