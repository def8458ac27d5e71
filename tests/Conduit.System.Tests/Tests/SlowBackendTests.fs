namespace Conduit.SystemTests

open System
open System.Diagnostics
open System.Net.Http
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions

/// One of three backends is ten times slower than the others.
[<Collection(SystemCollection.name)>]
type SlowBackendTests(output: ITestOutputHelper) =

    let connections = 32
    let duration = TimeSpan.FromSeconds 5.0

    /// Requests one after the other until the time is up; the names of the backends that answered.
    let ask (client: HttpClient) (url: string) = task {
        let clock = Stopwatch.StartNew()
        let names = ResizeArray<string>()

        while clock.Elapsed < duration do
            let! text = client.GetStringAsync url
            // `Hello from backend! I am running on NAME`
            names.Add(text.TrimEnd().Split(' ') |> Array.last)

        return names
    }

    let sampleBackend (name: string) (delay: string) = task {
        let port = Ports.free ()

        let arguments = [ "backend"; "--port"; string port; "--name"; name; "--delay"; delay ]

        let child = Executable.start arguments []
        let! _ = child.Listening port
        return child, port
    }

    [<Fact>]
    member _.``least connections sends the slow one less than a third of what each other one gets``() = task {
        let! slow, slowPort = sampleBackend "slow" "200ms"
        use _ = slow
        let! first, firstPort = sampleBackend "fast-1" "20ms"
        use _ = first
        let! second, secondPort = sampleBackend "fast-2" "20ms"
        use _ = second

        let urls =
            [ slowPort; firstPort; secondPort ]
            |> List.map (fun port -> $"http://127.0.0.1:{port}")

        use conduit = new Conduit(output, urls, [ "--strategy"; "least-connections" ])
        do! conduit.Ready()

        use client = new HttpClient()

        let! answers =
            Task.WhenAll [ for _ in 1..connections -> ask client (conduit.Url "/") ]

        let counts = answers |> Seq.concat |> Seq.countBy id |> Map.ofSeq

        for KeyValue(name, count) in counts do
            output.WriteLine $"{name}: {count} requests"

        for fast in [ "fast-1"; "fast-2" ] do
            let share = float counts["slow"] / float counts[fast]
            output.WriteLine $"the slow one gets {100.0 * share:F1} %% of what {fast} gets"
            Assert.True(share < 1.0 / 3.0, $"%A{counts}")
    }
