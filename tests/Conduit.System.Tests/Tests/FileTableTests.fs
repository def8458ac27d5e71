namespace Conduit.SystemTests

open System
open System.Net
open System.Net.Sockets
open System.Text
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions

/// More clients than the process has descriptors for.
[<Collection(SystemCollection.name)>]
type FileTableTests(output: ITestOutputHelper) =

    let patience = TimeSpan.FromSeconds 20.0

    /// Some 200 are for the code of the program itself.
    let limit = 400

    let connect (port: int) = task {
        let socket =
            new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp, NoDelay = true)

        do! socket.ConnectAsync(IPAddress.Loopback, port)
        return socket
    }

    let upgrade =
        Encoding.ASCII.GetBytes(
            "GET /ws HTTP/1.1\r\nHost: system.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )

    /// The status of what has been answered, 0 so far.
    let statusOf (socket: Socket) =
        if socket.Poll(0, SelectMode.SelectRead) then
            let buffer = Array.zeroCreate<byte> 4096

            try
                let count = socket.Receive buffer

                if count < 12 then
                    -1
                else
                    int (Encoding.ASCII.GetString(buffer, 9, 3))
            with :? SocketException ->
                -1
        else
            0

    let answered port = task {
        match! KeptConnection.TryOpen port with
        | None -> return false
        | Some connection ->
            use _ = connection
            let! answer = connection.Get("/").WaitAsync patience
            return answer.IsAnswered
    }

    [<Theory>]
    [<InlineData "epoll">]
    [<InlineData "sockets">]
    member _.``with all descriptors in use Conduit serves those it has, and others once some are free``
        (transport: string)
        = task {
        let backendPort = Ports.free ()

        use backend =
            Executable.start [ "backend"; "--port"; string backendPort; "--host"; "127.0.0.1" ] []

        let! _ = backend.Listening backendPort
        let port, adminPort = Ports.free (), Ports.free ()

        use conduit =
            Executable.startWithin limit [
                "--backends"
                $"http://127.0.0.1:{backendPort}"
                "--host"
                "127.0.0.1"
                "--port"
                string port
                "--admin-port"
                string adminPort
                "--health-interval"
                "200ms"
                "--transport"
                transport
            ]

        do! Executable.ready conduit adminPort
        use! kept = KeptConnection.Open port

        for _ in 1..3 do
            // All at once, so that threads are started and code is loaded when the table is fullest.
            let! crowd = Task.WhenAll [ for _ in 1..limit -> connect port ]

            for socket in crowd do
                socket.Send upgrade |> ignore

            let! _ =
                Eventually.holds "some are let in" patience (fun () -> task {
                    conduit.RequireRunning()
                    return crowd |> Array.exists (fun socket -> socket.Available > 0)
                })

            let! answer = (kept.Get "/").WaitAsync patience
            Assert.True(answer.IsAnswered, $"%A{answer}")
            let statuses = crowd |> Array.countBy statusOf
            output.WriteLine $"%A{statuses}"
            // Let in and led to the backend, or not let in yet.
            Assert.Empty(statuses |> Array.filter (fun (status, _) -> status <> 101 && status <> 0))
            Assert.Contains(0, Array.map fst statuses)

            for socket in crowd do
                socket.Dispose()

            let! _ =
                Eventually.holds "a new client is answered" patience (fun () -> answered port)

            ()

        conduit.RequireRunning()
        let! all = Stats.read adminPort
        Assert.True(all.Head.Alive)
        conduit.Send Signal.Terminate
        let! ended = conduit.End patience
        Assert.Equal(0, ended.ExitCode)
        Assert.Contains(ended.Output, (fun line -> line.Contains "New connections wait"))
    }
