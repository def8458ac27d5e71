namespace Conduit.SystemTests

open System
open System.IO
open System.Net
open System.Net.Sockets
open System.Runtime.InteropServices
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions

module private Inheriting =
    [<DllImport("libc", SetLastError = true)>]
    extern int fcntl(int descriptor, int command, int argument)

/// Twenty times a new process takes the place of the one that serves, while clients ask without a pause over kept
/// connections and over a new one for each request.
[<Collection(SystemCollection.name)>]
type TakeOverTests(output: ITestOutputHelper) =

    let upgrades = 20
    let patience = TimeSpan.FromSeconds 20.0

    let arguments (backends: NginxGroup) port = [
        "--backends"
        String.concat "," backends.Urls
        "--host"
        "127.0.0.1"
        "--port"
        string port
    ]

    let started (child: Child) =
        Eventually.holds "the new process serves" patience (fun () ->
            child.RequireRunning()
            Task.FromResult(child.Tail |> List.exists _.Contains("Listening on")))

    let measure (load: SteadyClients) = task {
        // The last process serves on its own for a moment.
        let before = load.Answered

        let! _ =
            Eventually.holds "answers go on" patience (fun () ->
                Task.FromResult(load.Answered > before + 500))

        do! load.Stop()
        output.WriteLine $"{upgrades} upgrades: {load.Summary}; {load.Failed} failed"
        Assert.True((load.Failed = 0), load.Summary)
    }

    [<Fact>]
    member _.``Twenty upgrades by --take-over under load fail no request``() = task {
        use backends = new NginxGroup([ "nginx-1"; "nginx-2" ])
        do! backends.Start()
        use directory = new TemporaryDirectory()
        let path = Path.Combine(directory.Path, "conduit.sock")
        let port = Ports.free ()
        let admin = Ports.free ()

        let start () =
            Executable.start (arguments backends port @ [ "--admin-port"; string admin; "--take-over"; path ]) []

        let mutable current = start ()

        try
            let! _ = started current
            let load = SteadyClients(port, 8, 8)

            for _ in 1..upgrades do
                let next = start ()
                let! _ = started next
                let! ended = current.End patience
                Assert.Equal(0, ended.ExitCode)
                (current :> IDisposable).Dispose()
                current <- next

            do! Executable.ready current admin
            do! measure load
        finally
            (current :> IDisposable).Dispose()
    }

    [<Fact>]
    member _.``Twenty upgrades by socket activation under load fail no request``() = task {
        use backends = new NginxGroup([ "nginx-1"; "nginx-2" ])
        do! backends.Start()
        // What the system's manager does: it holds the socket, and starts the program with it as descriptor 3.
        use socket =
            new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)

        let port = Ports.free ()
        socket.Bind(IPEndPoint(IPAddress.Loopback, port))
        socket.Listen 1024
        Inheriting.fcntl (int socket.Handle, 2, 0) |> ignore

        let start () =
            let quoted =
                Programs.conduit.Value :: arguments backends port @ [ "--admin-port"; "0" ]
                |> List.map (fun text -> $"'{text}'")
                |> String.concat " "

            Child.Start(
                "/bin/bash",
                [
                    "-c"
                    $"exec 3<&{int socket.Handle}; export LISTEN_FDS=1 LISTEN_PID=$$; exec {quoted}"
                ],
                []
            )

        let mutable current = start ()

        try
            let! _ = started current
            let load = SteadyClients(port, 8, 8)

            for _ in 1..upgrades do
                let next = start ()
                let! _ = started next
                current.Send Signal.Terminate
                let! ended = current.End patience
                Assert.Equal(0, ended.ExitCode)
                (current :> IDisposable).Dispose()
                current <- next

            do! measure load
        finally
            (current :> IDisposable).Dispose()
    }

    [<Fact>]
    member _.``A new process that cannot start leaves the old one as it is``() = task {
        use backends = new NginxGroup([ "nginx-1" ])
        do! backends.Start()
        use directory = new TemporaryDirectory()
        let path = Path.Combine(directory.Path, "conduit.sock")
        let port = Ports.free ()
        let taken = Ports.free ()

        use other =
            new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)

        other.Bind(IPEndPoint(IPAddress.Loopback, taken))
        other.Listen 1

        use current =
            Executable.start (arguments backends port @ [ "--admin-port"; "0"; "--take-over"; path ]) []

        let! _ = started current

        let! failed =
            Executable.run (arguments backends port @ [ "--admin-port"; string taken; "--take-over"; path ]) []

        Assert.Equal(2, failed.ExitCode)
        let load = SteadyClients(port, 2, 2)
        do! measure load
        current.RequireRunning()
    }
