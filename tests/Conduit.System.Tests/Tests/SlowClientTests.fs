namespace Conduit.SystemTests

open System
open System.Diagnostics
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions

/// A thousand clients that hold on to what they have, as slowhttptest makes them, and one that is in its right
/// mind.
[<Collection(SystemCollection.name)>]
type SlowClientTests(output: ITestOutputHelper) =

    let attackers = 1000
    /// How long an attack lasts, in seconds.
    let length = 14

    /// What a busy machine may add to a time, in milliseconds, when nobody attacks.
    let floor = 5.0

    let attacks = [
        "headers", [ "-H"; "-i"; "2" ], "/"
        "body", [ "-B"; "-i"; "2"; "-s"; "100000" ], "/upload/attack"
        "read", [ "-X"; "-n"; "2"; "-w"; "256"; "-y"; "512"; "-z"; "16" ], "/files/large"
    ]

    /// Requests of a few kept connections, with pauses: how long each took, in milliseconds, in order of length.
    let ask port (time: TimeSpan) = task {
        let client () = task {
            let! opened = KeptConnection.TryOpen port
            use connection = opened.Value
            let times = ResizeArray<float>()
            let all = Stopwatch.StartNew()

            while all.Elapsed < time do
                let clock = Stopwatch.StartNew()
                let! answer = connection.Get "/"
                times.Add clock.Elapsed.TotalMilliseconds
                Assert.Equal(Exchange.Answered(200, 8, false), answer)
                do! Task.Delay 4

            return times
        }

        let! times = Task.WhenAll [ for _ in 1..8 -> Task.Run<ResizeArray<float>>(client) ]

        return times |> Seq.concat |> Seq.sort |> Seq.toArray
    }

    let percentile (share: float) (times: float[]) =
        times[int (ceil (share * float times.Length)) - 1]

    let told name (times: float[]) =
        output.WriteLine
            $"{name}: {times.Length} requests, p50 {percentile 0.5 times:F2} ms, p99 {percentile 0.99 times:F2} ms"

    [<Fact>]
    member _.``Slow headers, bodies and readers leave others alone, and are cut off``() = task {
        use backend = new Nginx("backend")
        do! backend.Start()
        backend.AddFile "large" 8_000_000
        let port, admin = Ports.free (), Ports.free ()
        use directory = new TemporaryDirectory()
        let file = directory.File "conduit.yaml"

        IO.File.WriteAllLines(
            file,
            [
                $"listen: {{ host: 127.0.0.1, port: {port}, header_timeout: 5s, min_rate_grace: 5s }}"
                $"admin: {{ port: {admin} }}"
                $"backends: [\"{backend.Url}\"]"
                "log: { level: error }"
            ]
        )

        use conduit = Executable.start [ "--config"; file ] []
        do! Executable.ready conduit admin
        let! _ = ask port (TimeSpan.FromSeconds 2.0)
        let! quiet = ask port (TimeSpan.FromSeconds 6.0)
        told "quiet" quiet
        let most = 2.0 * max floor (percentile 0.99 quiet)

        for name, kind, target in attacks do
            let arguments =
                kind
                @ [
                    "-c"
                    string attackers
                    "-r"
                    "500"
                    "-l"
                    string length
                    "-p"
                    "10"
                    "-u"
                    $"http://127.0.0.1:{port}{target}"
                ]

            use attack = Child.Start(Programs.path Programs.slowhttptest, arguments, [])
            do! Task.Delay 1500
            attack.RequireRunning()
            let! times = ask port (TimeSpan.FromSeconds 6.0)
            told name times
            Assert.True(percentile 0.99 times <= most, $"{name}: the p99 is over {most:F2} ms")
            let! stats = Stats.read admin
            output.WriteLine $"{name}: {stats.Head.Connections} requests in flight after 7.5 s"

            let! _ =
                Eventually.holds "no attacker holds the backend" (TimeSpan.FromSeconds 15.0) (fun () -> task {
                    let! stats = Stats.read admin
                    return stats |> List.forall (fun backend -> backend.Connections = 0)
                })

            let! _ = attack.End(TimeSpan.FromSeconds 30.0)
            ()
    }
