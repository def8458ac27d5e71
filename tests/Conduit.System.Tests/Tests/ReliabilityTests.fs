namespace Conduit.SystemTests

open System
open System.Diagnostics
open System.IO
open System.Net
open System.Net.Sockets
open System.Text
open System.Threading
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions

/// A backend whose answers the test decides, in this process.
[<Sealed>]
type private MoodyBackend() =
    let listener = new TcpListener(IPAddress.Loopback, 0)
    let mutable status = 200
    let mutable answered = 0

    let answer (client: TcpClient) : Task = task {
        use client = client
        client.NoDelay <- true
        let stream = client.GetStream()
        use reader = new StreamReader(stream, Encoding.ASCII)

        try
            let! first = reader.ReadLineAsync()
            let mutable line = first

            while not (isNull line) do
                // The end of a head; there are no bodies.
                if line = "" then
                    let answer = $"HTTP/1.1 {Volatile.Read &status} Told\r\nContent-Length: 2\r\n\r\nok"
                    do! stream.WriteAsync(Encoding.ASCII.GetBytes answer)
                    Interlocked.Increment &answered |> ignore

                let! next = reader.ReadLineAsync()
                line <- next
        with :? IOException ->
            ()
    }

    let serve () : Task = task {
        try
            while true do
                let! client = listener.AcceptTcpClientAsync()
                answer client |> ignore
        with
        | :? SocketException
        | :? ObjectDisposedException -> ()
    }

    do
        listener.Start()
        serve () |> ignore

    member _.Url = $"http://{listener.LocalEndpoint}"

    member _.Status
        with set (value: int) = Volatile.Write(&status, value)

    member _.Answered = Volatile.Read &answered

    interface IDisposable with
        member _.Dispose() = listener.Dispose()

/// What operators count on when backends misbehave.
[<Collection(SystemCollection.name)>]
type ReliabilityTests(output: ITestOutputHelper) =

    let start (yaml: string list) = task {
        let directory = new TemporaryDirectory()
        let port, admin = Ports.free (), Ports.free ()
        let file = directory.File "conduit.yaml"

        File.WriteAllLines(
            file,
            [
                $"listen: {{ host: 127.0.0.1, port: {port} }}"
                $"admin: {{ port: {admin} }}"
                "log: { level: error }"
                yield! yaml
            ]
        )

        let child = Executable.start [ "--config"; file ] []
        do! Executable.ready child admin
        return child, port, directory
    }

    let list (urls: string list) =
        urls |> List.map (fun url -> $"\"{url}\"") |> String.concat ", "

    /// Asks one after the other over `clients` connections for a while: the statuses with the time when each came.
    let ask port clients (time: TimeSpan) = task {
        let clock = Stopwatch.StartNew()

        let client () = task {
            let seen = ResizeArray<struct (TimeSpan * int)>()
            let! opened = KeptConnection.TryOpen port
            use connection = opened.Value

            while clock.Elapsed < time do
                match! connection.Get "/" with
                | Exchange.Answered(status, _, _) -> seen.Add(struct (clock.Elapsed, status))
                | other -> failwith $"{other}"

            return seen
        }

        let! all = Task.WhenAll [ for _ in 1..clients -> client () ]
        return Seq.concat all |> Seq.toArray
    }

    [<Fact>]
    member _.``One of three backends that answers 500 to everything is seen by at most 2 % of requests, and comes back``
        ()
        = task {
        use a = new MoodyBackend()
        use b = new MoodyBackend()
        use c = new MoodyBackend()
        let reset = TimeSpan.FromSeconds 2.0

        let! child, port, directory =
            start [
                "circuit_breaker: { failure_threshold: 5, reset_timeout: 2s, half_open_limit: 3 }"
                $"backends: [{list [ a.Url; b.Url; c.Url ]}]"
            ]

        use _ = directory
        use _ = child
        let! _ = ask port 4 (TimeSpan.FromSeconds 1.0)
        b.Status <- 500
        let! seen = ask port 8 (TimeSpan.FromSeconds 7.0)

        let later =
            seen |> Array.filter (fun struct (at, _) -> at > TimeSpan.FromSeconds 1.0)

        let bad =
            later |> Array.filter (fun struct (_, status) -> status = 500) |> Array.length

        let share = 100.0 * float bad / float later.Length

        b.Status <- 200
        let before = b.Answered
        let clock = Stopwatch.StartNew()
        let load = ask port 8 (TimeSpan.FromSeconds 4.0)

        let! _ =
            Eventually.holds "it has its share again" (TimeSpan.FromSeconds 6.0) (fun () ->
                Task.FromResult(b.Answered > before + 100))

        let back = clock.Elapsed
        let! _ = load

        output.WriteLine(
            $"{bad} of {later.Length} requests ({share:F3} %%) saw a 500 after the first second; "
            + $"back {back.TotalMilliseconds:F0} ms after it was well, with a reset timeout of {reset.TotalMilliseconds:F0} ms"
        )

        Assert.True(share <= 2.0, $"{share} %%")
        Assert.True(back < reset + TimeSpan.FromSeconds 1.0, $"{back}")
    }
