namespace Conduit.SystemTests

open System
open System.IO
open System.Net.Http
open System.Net.WebSockets
open System.Text
open System.Text.Json
open System.Text.RegularExpressions
open System.Threading
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions

/// The configuration changes while traffic flows.
[<Collection(SystemCollection.name)>]
type ReloadTests(output: ITestOutputHelper) =

    let reloads = 200
    let pause = TimeSpan.FromMilliseconds 100.0

    /// Turn by turn: the weight of `a` goes up, `b` joins or leaves, and `c` leaves or joins.
    let configuration (port: int) (admin: int) (backends: int[]) turn =
        let backend (name: string) (number: int) weight =
            $"      - {{ id: {name}, url: http://127.0.0.1:{backends[number]}, weight: {weight} }}"

        String.concat "\n" [
            $"listen: {{ host: 127.0.0.1, port: {port} }}"
            $"admin: {{ port: {admin} }}"
            "pools:"
            "  default:"
            "    strategy: weighted-round-robin"
            "    backends:"
            backend "a" 0 (turn % 5 + 1)
            if turn % 2 = 0 then backend "b" 1 1 else backend "c" 2 2
            "  live:"
            "    backends:"
            backend "d" 3 1
            "routes:"
            "  - { path: /ws, pool: live }"
            ""
        ]

    /// As a careful operator does it: the file is never seen half written.
    let write (path: string) (text: string) =
        let aside = path + ".new"
        File.WriteAllText(aside, text)
        File.Move(aside, path, overwrite = true)

    let sampleBackend name = task {
        let port = Ports.free ()
        let child = Executable.start [ "backend"; "--port"; string port; "--name"; name ] []
        let! _ = child.Listening port
        return child, port
    }

    /// Sends a text and reads the echo.
    let echo (socket: WebSocket) (text: string) = task {
        do!
            socket.SendAsync(
                ArraySegment(Encoding.UTF8.GetBytes text),
                WebSocketMessageType.Text,
                true,
                CancellationToken.None
            )

        let buffer = Array.zeroCreate<byte> 256
        let! received = socket.ReceiveAsync(ArraySegment buffer, CancellationToken.None)
        return Encoding.UTF8.GetString(buffer, 0, received.Count)
    }

    let reloadAll (child: Child) file port admin backends (socket: WebSocket) = task {
        for turn in 1..reloads do
            write file (configuration port admin backends turn)
            child.Send Signal.HangUp
            let! answer = echo socket $"turn {turn}"
            Assert.Equal($"turn {turn}", answer)
            do! Task.Delay pause
    }

    let weightOfA (admin: int) = task {
        use client = new HttpClient()

        let! text =
            client.GetStringAsync $"http://127.0.0.1:{admin}/api/v1/pools/default/backends/a"

        use document = JsonDocument.Parse text
        return document.RootElement.GetProperty("weight").GetInt32()
    }

    let configurationStatus (admin: int) = task {
        use client = new HttpClient()
        return! client.GetStringAsync $"http://127.0.0.1:{admin}/api/v1/config"
    }

    let versionsIn (log: string list) =
        log
        |> List.collect (fun line -> [
            for found in Regex.Matches(line, @"Configuration (\d+) is in force") -> int found.Groups[1].Value
        ])

    [<Fact>]
    member _.``200 reloads under 1,000 requests a second fail none, and leave a WebSocket open``() = task {
        let! started =
            Task.WhenAll [ for name in [ "a"; "b"; "c"; "d" ] -> sampleBackend name ]

        let children, backends = Array.unzip started
        use directory = new TemporaryDirectory()
        let file = Path.Combine(directory.Path, "conduit.yaml")
        let port, admin = Ports.free (), Ports.free ()

        try
            write file (configuration port admin backends 0)
            use child = Executable.start [ "--config"; file ] []
            do! Executable.ready child admin
            use socket = new ClientWebSocket()
            do! socket.ConnectAsync(Uri $"ws://127.0.0.1:{port}/ws", CancellationToken.None)
            let seconds = int (ceil (float reloads * pause.TotalSeconds)) + 5
            let load = Load.heyAt 1000 seconds 20 $"http://127.0.0.1:{port}/"
            do! reloadAll child file port admin backends socket
            let! result = load
            output.WriteLine $"{result}"
            let! status = configurationStatus admin
            output.WriteLine(String.concat "\n" (status :: child.Tail))
            Assert.Equal(0, result.Failures)
            Assert.Equal(WebSocketState.Open, socket.State)
            // Signals that come while one waits are one; what was written last is in force all the same.
            let! last =
                Eventually.holds "the last configuration is in force" (TimeSpan.FromSeconds 10.0) (fun () -> task {
                    let! weight = weightOfA admin
                    return weight = reloads % 5 + 1
                })

            let version = versionsIn child.Tail |> List.max

            output.WriteLine
                $"version {version} of the configuration is in force, the last after {last.TotalMilliseconds:F0} ms"

            Assert.True(version > reloads * 9 / 10, String.concat "\n" child.Tail)
        finally
            for child in children do
                (child :> IDisposable).Dispose()
    }
