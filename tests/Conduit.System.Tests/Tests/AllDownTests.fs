namespace Conduit.SystemTests

open System
open System.Diagnostics
open System.Globalization
open System.Net.Http
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions

/// Every backend fails, and clients go on asking: tries do not multiply, clients are told at once, and nobody has
/// to do anything when the backends are back.
[<Collection(SystemCollection.name)>]
type AllDownTests(output: ITestOutputHelper) =

    let requests = 20_000
    let clients = 32

    /// The budget's default.
    let budget (time: TimeSpan) =
        0.2 * float requests + 10.0 * time.TotalSeconds

    let retries adminPort = task {
        use client = new HttpClient()
        let! text = client.GetStringAsync $"http://127.0.0.1:{adminPort}/metrics"

        return
            text.Split '\n'
            |> Array.filter _.StartsWith("lb_backend_retries_total{")
            |> Array.sumBy (fun line ->
                Int64.Parse(Array.last (line.Split ' '), CultureInfo.InvariantCulture))
    }

    /// The statuses of so many requests, and how long each took, in milliseconds, in order of length.
    let offer port = task {
        let client () = task {
            let! opened = KeptConnection.TryOpen port
            use connection = opened.Value
            let answers = ResizeArray<struct (int * float)>()

            for _ in 1 .. requests / clients do
                let clock = Stopwatch.StartNew()

                match! connection.Get "/" with
                | Exchange.Answered(status, _, _) ->
                    answers.Add(struct (status, clock.Elapsed.TotalMilliseconds))
                | other -> failwith $"no answer, but {other}"

            return answers
        }

        let! answers =
            Task.WhenAll [ for _ in 1..clients -> Task.Run<ResizeArray<struct (int * float)>>(client) ]

        return answers |> Seq.concat |> List.ofSeq
    }

    /// Offers the requests and checks what came of them.
    let endure name (conduit: Conduit) = task {
        let! before = retries conduit.AdminPort
        let clock = Stopwatch.StartNew()
        let! answers = offer conduit.Port
        let time = clock.Elapsed
        let! after = retries conduit.AdminPort

        let counts =
            answers |> List.countBy (fun (struct (status, _)) -> status) |> Map.ofList

        let times = answers |> List.map (fun (struct (_, time)) -> time) |> List.sort
        let median = times[times.Length / 2]

        output.WriteLine(
            $"{name}: %A{counts} in {time.TotalSeconds:F1} s, median {median:F2} ms, "
            + $"{after - before} retries of {budget time:F0} that the budget has"
        )

        Assert.Equal(requests, times.Length)
        Assert.True(counts.ContainsKey 503 && counts[503] * 2 > requests, "most answers are no 503")
        Assert.True(median <= 50.0, $"the median is {median} ms")
        Assert.True(float (after - before) <= budget time, "the budget was overspent")
    }

    [<Fact>]
    member _.``20,000 requests to backends that are all down stay within the retry budget``() = task {
        use backends = new NginxGroup([ "nginx-1"; "nginx-2"; "nginx-3" ])
        do! backends.Start()

        use conduit =
            new Conduit(output, backends.Urls, [ "--health-interval"; "500ms"; "--log-level"; "error" ])

        do! conduit.Ready()

        for server in backends.Servers do
            server.Kill()

        do! endure "all killed" conduit
        do! backends.Start()

        let! back =
            Eventually.holds "requests are answered again" (TimeSpan.FromSeconds 5.0) (fun () -> task {
                match! KeptConnection.TryOpen conduit.Port with
                | None -> return false
                | Some connection ->
                    use _ = connection

                    match! connection.Get "/" with
                    | Exchange.Answered(200, _, _) -> return true
                    | _ -> return false
            })

        output.WriteLine $"answered again {back.TotalMilliseconds:F0} ms after the backends were back"
    }
