// Fast and slow requests together, and which backend takes how many of them:
//
//     dotnet fsi build.fsx -- script visual-test [--requests 100] [--concurrency 20] [--slow 30] [--sleep 5000]
//                                                [--url http://localhost:3030 --admin http://localhost:8090]
//
// `--slow` is the share of requests to /sleep in percent, `--sleep` how long each of them takes in milliseconds. Without
// `--url` it starts a balancer and three sample backends of its own. Works with every backend whose answers end with its name.
#load "prelude.fsx"

open System
open System.Collections.Concurrent
open System.Text.Json
open System.Threading
open System.Threading.Tasks

let requests = Prelude.number "requests" 100
let concurrency = Prelude.number "concurrency" 20
let slow = Prelude.number "slow" 30
let sleep = Prelude.number "sleep" 5000

let url, admin =
    match Prelude.flag "url" with
    | Some url ->
        url.TrimEnd '/', (Prelude.flag "admin" |> Option.defaultValue "http://localhost:8090").TrimEnd '/'
    | None ->
        let backends = [ for name in [ "app-1"; "app-2"; "app-3" ] -> name, Prelude.freePort () ]

        for name, port in backends do
            Prelude.backend name port "5ms" |> ignore

        Prelude.balancer backends []

/// Backend and kind of each request that was answered.
let answers = ConcurrentBag<string * bool>()
let failures = ConcurrentBag<string>()

let ask number = task {
    // Spread evenly: each request is slow that takes the sum over the next hundred.
    let isSlow = (number * slow) % 100 < slow
    let target = if isSlow then $"/sleep?ms={sleep}" else "/"

    try
        let! body = Prelude.http.GetStringAsync(url + target)
        answers.Add(body.Trim().Split(' ') |> Array.last, isSlow)
    with error ->
        failures.Add error.Message
}

let load = task {
    use places = new SemaphoreSlim(concurrency)

    let one number = task {
        try
            do! ask number
        finally
            places.Release() |> ignore
    }

    let mutable begun: Task<unit> list = []

    for number in 0 .. requests - 1 do
        do! places.WaitAsync()
        begun <- one number :: begun

    let! _ = Task.WhenAll begun
    return ()
}

/// A line for each backend: requests in flight as `/stats` tells them.
let show () =
    use stats = JsonDocument.Parse(Prelude.http.GetStringAsync(admin + "/stats").Result)

    let cells = [
        for backend in stats.RootElement.EnumerateArray() ->
            let inFlight = backend.GetProperty("conn_count").GetInt32()
            let port = Uri(string (backend.GetProperty "url")).Port
            let bar = String('*', min 20 inFlight)
            $"{port} {inFlight, 3} {bar, -20}"
    ]

    let row = String.concat " | " cells
    printfn $"answered {answers.Count, 5}  in flight: {row}"

while not load.IsCompleted do
    show ()
    load.Wait(500) |> ignore

show ()
printfn "\n%-12s %8s %8s %8s" "Backend" "Fast" "Slow" "Total"

for name, all in answers |> Seq.groupBy fst |> Seq.sortBy fst do
    let slow = all |> Seq.filter snd |> Seq.length
    printfn "%-12s %8d %8d %8d" name (Seq.length all - slow) slow (Seq.length all)

let slowOnes = answers |> Seq.filter snd |> Seq.length
printfn "%-12s %8d %8d %8d" "all" (answers.Count - slowOnes) slowOnes answers.Count

for failure in failures |> Seq.countBy id do
    printfn "%d failed: %s" (snd failure) (fst failure)

exit (if failures.IsEmpty then 0 else 1)
