namespace Conduit.SystemTests

open System
open System.Diagnostics
open System.IO
open System.Net.Http
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions

/// A rate limit in real time.
[<Collection(SystemCollection.name)>]
type RateLimitTests(output: ITestOutputHelper) =

    [<Fact>]
    member _.``a client that offers twice the rate for 30 seconds is admitted the rate and the burst, within 2 percent``
        ()
        = task {
        use backend = new TimedBackend(fun _ -> TimeSpan.Zero, 200)
        use directory = new TemporaryDirectory()
        // A burst of two seconds: on a machine that stands still for a moment the bucket must not run over.
        let rate, burst, seconds = 50, 100, 30

        File.WriteAllText(
            directory.File "conduit.yaml",
            $"rate_limit: {{ rate: {rate}, burst: {burst} }}\nbackends: [\"{backend.Url}\"]\n"
        )

        use conduit =
            new Conduit(output, [ backend.Url ], [ "--config"; directory.File "conduit.yaml" ])

        do! conduit.Ready()
        use client = new HttpClient()

        let ask () = task {
            use! response = client.GetAsync(conduit.Url "/")
            return int response.StatusCode, response.Headers.RetryAfter
        }

        let clock = Stopwatch.StartNew()

        let answers = [|
            for request in 0 .. 2 * rate * seconds ->
                task {
                    let at = TimeSpan.FromSeconds(float request / float (2 * rate))
                    let wait = at - clock.Elapsed

                    if wait > TimeSpan.Zero then
                        do! Task.Delay wait

                    return! ask ()
                }
        |]

        let! answers = Task.WhenAll answers
        let elapsed = clock.Elapsed.TotalSeconds
        let admitted = answers |> Array.filter (fst >> (=) 200) |> Array.length
        let refused = answers |> Array.filter (fst >> (=) 429)
        let expected = float rate * elapsed + float burst
        let apart = (float admitted - expected) / expected

        output.WriteLine
            $"{answers.Length} requests in {elapsed:F2} s: {admitted} admitted, expected {expected:F0} ({100.0 * apart:F2} %%)"

        Assert.Equal(answers.Length, admitted + refused.Length)
        Assert.All(refused, (fun (_, retryAfter) -> Assert.NotNull retryAfter))
        Assert.True(abs apart <= 0.02, $"{admitted} admitted, expected {expected}")
    }
