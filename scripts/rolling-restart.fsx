// Restarts the backends of a pool one after the other without a failed request: drain, wait, restart, ready.
//
//     dotnet fsi build.fsx -- script rolling-restart --admin http://127.0.0.1:8090 [--pool default]
//         --command 'systemctl restart app@{id}' [--timeout 60]
//
// `{id}` and `{url}` in the command stand for the backend's. The token, where there is one, is in CONDUIT_TOKEN. A backend is
// taken back once Conduit's own checks find it well. Without `--admin` it shows itself: with a balancer and three sample
// backends of its own, under load.
#load "prelude.fsx"

open System
open System.Diagnostics
open System.Threading
open System.Threading.Tasks
open Conduit

let pool = Prelude.flag "pool" |> Option.defaultValue "default"
let limit = TimeSpan.FromSeconds(float (Prelude.number "timeout" 60))

/// What restarts the backend with an id at a URL.
let byCommand (command: string) id (url: string) =
    let words = command.Replace("{id}", id).Replace("{url}", url)
    use shell = Process.Start("/bin/sh", [ "-c"; words ])
    shell.WaitForExit()

    if shell.ExitCode <> 0 then
        failwith $"'{words}' ended with {shell.ExitCode}"

let answered (asked: Task<Result<Answered<'a>, ApiFailure>>) =
    match asked.Result with
    | Ok answer -> answer.Value
    | Error failure -> failwith $"{failure}"

let waitUntil what (client: ApiClient) id (isSo: Wire.Backend -> bool) =
    let clock = Stopwatch.StartNew()

    while not (isSo (answered (client.Backend(pool, id)))) do
        if clock.Elapsed > limit then
            failwith $"{id} is not {what} after {limit}"

        Thread.Sleep 100

let restartAll (client: ApiClient) restart =
    match (client.Backends pool).Result with
    | Error failure -> failwith $"{failure}"
    | Ok backends ->
        for backend in backends do
            answered (client.SetState(pool, backend.Id, AdminState.Draining)) |> ignore
            waitUntil "idle" client backend.Id (fun now -> now.InFlight = 0)
            printfn $"{backend.Id}: drained"
            restart backend.Id backend.Url
            // Its checks go on while it drains: those of the restarted one decide.
            Thread.Sleep(TimeSpan.FromSeconds 1.0)
            waitUntil "well" client backend.Id (fun now -> now.Health = "up")
            answered (client.SetState(pool, backend.Id, AdminState.Ready)) |> ignore
            waitUntil "ready" client backend.Id _.Available
            printfn $"{backend.Id}: restarted, ready"

let showItself () =
    let backends = [ for name in [ "app-1"; "app-2"; "app-3" ] -> name, Prelude.freePort () ]

    let children =
        Collections.Generic.Dictionary(
            dict [ for name, port in backends -> name, Prelude.backend name port "5ms" ]
        )

    let url, admin =
        Prelude.balancer backends [
            "--health-path"
            "/healthz"
            "--health-interval"
            "200ms"
            "--retries"
            "0"
        ]

    let restart id (_: string) =
        children[id].Kill()
        children[id].WaitForExit()
        children[id] <- Prelude.backend id (Map.find id (Map.ofList backends)) "5ms"

    use stop = new CancellationTokenSource()
    let mutable sent = 0
    let mutable failed = 0

    let client () : Task = task {
        while not stop.IsCancellationRequested do
            use! response = Prelude.http.GetAsync url
            Interlocked.Increment &sent |> ignore

            if not response.IsSuccessStatusCode then
                Interlocked.Increment &failed |> ignore
    }

    let load = [ for _ in 1..8 -> Task.Run client ]
    use api = new ApiClient(Uri admin, None)
    restartAll api restart
    stop.Cancel()
    Task.WhenAll(load).Wait()
    printfn $"{sent} requests meanwhile, {failed} failed"
    if failed = 0 then 0 else 1

match Prelude.flag "admin", Prelude.flag "command" with
| Some admin, Some command ->
    let token = Environment.GetEnvironmentVariable "CONDUIT_TOKEN" |> Option.ofObj
    use client = new ApiClient(Uri admin, token)
    restartAll client (byCommand command)
| Some _, None ->
    eprintfn "--command says how a backend is restarted, as in --command 'systemctl restart app@{id}'"
    exit 1
| None, _ -> exit (showItself ())
