// Load of fast and slow requests, and how long they took:
//
//     dotnet fsi build.fsx -- script load-mix [--requests 200] [--concurrency 50] [--slow 30] [--sleep 5000] [--url URL]
//
// The URL may also be in LB_URL; without either it starts a balancer and three sample backends of its own.
#load "prelude.fsx"

open System
open System.Collections.Concurrent
open System.Diagnostics
open System.Threading.Tasks

let requests = Prelude.number "requests" 200
let concurrency = Prelude.number "concurrency" 50
let slow = Prelude.number "slow" 30
let sleep = Prelude.number "sleep" 5000

let url =
    match Prelude.flag "url", Environment.GetEnvironmentVariable "LB_URL" with
    | Some url, _ -> url.TrimEnd '/'
    | None, (null | "") ->
        let backends = [ for name in [ "app-1"; "app-2"; "app-3" ] -> name, Prelude.freePort () ]

        for name, port in backends do
            Prelude.backend name port "5ms" |> ignore

        fst (Prelude.balancer backends [])
    | None, url -> url.TrimEnd '/'

type Answer = {
    Slow: bool
    Status: string
    Time: TimeSpan
}

let answers = ConcurrentBag<Answer>()

let ask number = task {
    let isSlow = (number * slow) % 100 < slow
    let clock = Stopwatch.StartNew()

    let! status = task {
        try
            use! response =
                Prelude.http.GetAsync(url + (if isSlow then $"/sleep?ms={sleep}" else "/"))

            return string (int response.StatusCode)
        with error ->
            return error.GetType().Name
    }

    answers.Add {
        Slow = isSlow
        Status = status
        Time = clock.Elapsed
    }
}

let clock = Stopwatch.StartNew()
let options = ParallelOptions(MaxDegreeOfParallelism = concurrency)

Parallel
    .ForEachAsync(seq { 0 .. requests - 1 }, options, (fun number _ -> ValueTask(ask number :> Task)))
    .Wait()

let line name (some: Answer seq) =
    let times = some |> Seq.map _.Time.TotalMilliseconds |> Seq.sort |> Seq.toArray

    if times.Length > 0 then
        let at share =
            times[min (times.Length - 1) (int (share * float times.Length))]

        printfn
            "%-6s %6d   p50 %8.1f ms   p99 %8.1f ms   max %8.1f ms"
            name
            times.Length
            (at 0.5)
            (at 0.99)
            (Array.last times)

line "fast" (answers |> Seq.filter (fun answer -> not answer.Slow))
line "slow" (answers |> Seq.filter _.Slow)

for status, count in answers |> Seq.countBy _.Status |> Seq.sort do
    printfn "%s: %d" status count

let ok = answers |> Seq.forall (fun answer -> answer.Status = "200")

printfn
    "%d requests in %.1f s, %.0f a second"
    answers.Count
    clock.Elapsed.TotalSeconds
    (float answers.Count / clock.Elapsed.TotalSeconds)

exit (if ok then 0 else 1)
