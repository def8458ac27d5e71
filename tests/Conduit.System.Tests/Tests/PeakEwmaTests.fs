namespace Conduit.SystemTests

open System
open System.Diagnostics
open System.Net.Http
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions

/// What going by the time to an answer is worth, on real sockets, beside round robin in the same run.
[<Collection(SystemCollection.name)>]
type PeakEwmaTests(output: ITestOutputHelper) =

    let usual = TimeSpan.FromMilliseconds 5.0

    let steady () = new TimedBackend(fun _ -> usual, 200)

    let clients = 8

    /// `requests` requests over the clients; how long each took, in milliseconds, in order of length.
    let load (url: string) requests = task {
        use client =
            new HttpClient(new SocketsHttpHandler(MaxConnectionsPerServer = clients))

        let ask () = task {
            let times = ResizeArray<float>()

            for _ in 1 .. requests / clients do
                let clock = Stopwatch.StartNew()
                use! response = client.GetAsync url
                let! _ = response.Content.ReadAsByteArrayAsync()
                times.Add clock.Elapsed.TotalMilliseconds

            return times
        }

        let! times =
            Task.WhenAll [ for _ in 1..clients -> Task.Run<ResizeArray<float>>(ask) ]

        return times |> Seq.concat |> Seq.sort |> Seq.toArray
    }

    let percentile (share: float) (times: float[]) =
        times[int (ceil (share * float times.Length)) - 1]

    /// Runs a load against a strategy over these backends.
    let run strategy (backends: TimedBackend list) requests = task {
        use conduit =
            new Conduit(output, backends |> List.map _.Url, [ "--strategy"; strategy; "--retries"; "0" ])

        do! conduit.Ready()
        let before = backends |> List.map _.Requests
        let! times = load (conduit.Url "/") requests

        let counts =
            List.map2 (fun (backend: TimedBackend) before -> backend.Requests - before) backends before

        output.WriteLine
            $"{strategy}: p50 {percentile 0.5 times:F1} ms, p99 {percentile 0.99 times:F1} ms, by backend %A{counts}"

        return times, counts
    }

    [<Fact>]
    member _.``with one of four backends 20 times slower on a tenth of its requests, p99 is at most half of round robin's``
        ()
        = task {
        let measured strategy = task {
            use first = steady ()
            use second = steady ()
            use third = steady ()

            use sometimesSlow =
                new TimedBackend(fun request -> (if request % 10 = 0 then 20.0 * usual else usual), 200)

            let! times, _ = run strategy [ first; second; third; sometimesSlow ] 12_000
            return percentile 0.99 times
        }

        let! roundRobin = measured "round-robin"
        let! peakEwma = measured "peak-ewma"
        Assert.True(roundRobin >= 20.0 * usual.TotalMilliseconds, $"round robin's p99 is {roundRobin} ms")
        Assert.True(2.0 * peakEwma <= roundRobin, $"{peakEwma} ms against {roundRobin} ms")
    }

    [<Fact>]
    member _.``four backends alike stay within a tenth of each other over 20,000 requests``() = task {
        use first = steady ()
        use second = steady ()
        use third = steady ()
        use fourth = steady ()
        let! _, counts = run "peak-ewma" [ first; second; third; fourth ] 20_000
        let apart = float (List.max counts - List.min counts) / float (List.max counts)
        output.WriteLine $"the largest and the smallest count differ by {100.0 * apart:F1} %%"
        Assert.True(apart <= 0.1, $"%A{counts}")
    }

    [<Fact>]
    member _.``a backend that refuses fast never gets more than its share``() = task {
        use first = steady ()
        use second = steady ()
        use third = steady ()
        use refusing = new TimedBackend(fun _ -> TimeSpan.Zero, 503)
        let! _, counts = run "peak-ewma" [ first; second; third; refusing ] 8_000
        let share = float (List.last counts) / float (List.sum counts)
        output.WriteLine $"the one that refuses gets {100.0 * share:F2} %%"
        Assert.True(share <= 0.25, $"%A{counts}")
    }
