namespace Conduit.SystemTests

open System
open System.Diagnostics
open System.IO
open System.Net.Http
open System.Text
open System.Text.RegularExpressions
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions

/// The highest steady load while backends are killed and come back, the configuration changes and backends are
/// drained, all at random: every request is accounted for, and memory and handles do not grow. Two minutes, or as
/// many seconds as CONDUIT_SOAK_SECONDS says; CONDUIT_SOAK_SEED repeats the course of a run.
[<Collection(SystemCollection.name)>]
type SoakTests(output: ITestOutputHelper) =

    let patience = TimeSpan.FromSeconds 20.0

    let setting (name: string) (otherwise: int) =
        match Environment.GetEnvironmentVariable name with
        | null
        | "" -> otherwise
        | text -> int text

    let configuration port admin (backends: NginxGroup) weight =
        String.concat "\n" [
            $"listen: {{ host: 127.0.0.1, port: {port} }}"
            $"admin: {{ port: {admin} }}"
            "strategy: weighted-round-robin"
            "health_check: { type: tcp, interval: 300ms, rise: 1 }"
            "circuit_breaker: { reset_timeout: 1s }"
            "backends:"
            for index, server in List.indexed backends.Servers do
                $"  - {{ id: b{index}, url: \"{server.Url}\", weight: {if index = 0 then weight else 2} }}"
            ""
        ]

    let handles (id: int) =
        Directory.GetFiles($"/proc/{id}/fd").Length

    let told (pattern: string) (lines: string list) =
        lines |> List.filter (fun line -> Regex.IsMatch(line, pattern)) |> List.length

    [<Fact>]
    member _.``Under load and random disturbances every request is accounted for, and nothing grows``() = task {
        let seconds = setting "CONDUIT_SOAK_SECONDS" 120
        let seed = setting "CONDUIT_SOAK_SEED" (Random.Shared.Next())
        let random = Random seed
        use backends = new NginxGroup([ "nginx-1"; "nginx-2"; "nginx-3" ])
        do! backends.Start()
        use directory = new TemporaryDirectory()
        let port, admin = Ports.free (), Ports.free ()
        let file = directory.File "conduit.yaml"
        File.WriteAllText(file, configuration port admin backends 2)
        use conduit = Executable.start [ "--config"; file ] []
        do! Executable.ready conduit admin
        use http = new HttpClient(BaseAddress = Uri $"http://127.0.0.1:{admin}/api/v1/")

        let state index (state: string) : Task = task {
            use content =
                new StringContent($"{{\"state\":\"{state}\"}}", Encoding.UTF8, "application/json")

            use! response = http.PatchAsync($"pools/default/backends/b{index}", content)
            response.EnsureSuccessStatusCode() |> ignore
        }

        let disturb () : Task = task {
            let index = random.Next 3
            let server = backends.Servers[index]

            match random.Next 4 with
            | 0 ->
                server.Kill()
                do! Task.Delay(random.Next 1500)
                do! server.Start()
            | 1 ->
                File.WriteAllText(file + ".new", configuration port admin backends (1 + random.Next 4))
                File.Move(file + ".new", file, overwrite = true)
                conduit.Send Signal.HangUp
            | 2 ->
                do! state index "draining"
                do! Task.Delay(random.Next 1000)
                do! state index "ready"
            | _ ->
                // All at once: whoever asks now is answered 503.
                for server in backends.Servers do
                    server.Kill()

                do! Task.Delay(random.Next 500)
                do! backends.Start()
        }

        let load = SteadyClients(port, 24, 8)
        let clock = Stopwatch.StartNew()
        let first = TimeSpan.FromSeconds(float (min 60 (seconds / 2)))
        let mutable early = None
        let mutable disturbances = 0

        while clock.Elapsed < TimeSpan.FromSeconds(float seconds) do
            do! Task.Delay(random.Next(200, 1500))
            do! disturb ()
            disturbances <- disturbances + 1

            if early.IsNone && clock.Elapsed >= first then
                early <- Some(Memory.resident conduit.Id, handles conduit.Id)

        do! load.Stop()
        conduit.RequireRunning()
        // Idle connections to backends are kept for 30 s, and how many there are is chance.
        let memory, open' = early.Value
        let idle = TimeSpan.FromSeconds 45.0

        let! _ =
            Eventually.holds "no more handles are open than after the first minute" idle (fun () ->
                Task.FromResult(handles conduit.Id <= open' + 10))

        let late, left = Memory.resident conduit.Id, handles conduit.Id
        conduit.Send Signal.Terminate
        let! ended = conduit.End patience
        let lines = ended.Output @ ended.Errors

        let failed = told "answered 5\\d\\d" lines
        let cut = told "cut off: " lines

        output.WriteLine(
            $"{seconds} s, seed {seed}, {disturbances} disturbances: {load.Summary}; the log tells of {failed} answered and {cut} cut; "
            + $"memory {memory / 1048576L} MiB after {first.TotalSeconds} s, {late / 1048576L} MiB at the end; handles {open'} and {left}"
        )

        // Every request was answered or cut, and each that failed stands in the log.
        Assert.Equal(load.Count "sent", load.Answered + load.Count "cut")
        Assert.Equal(0, load.Count "refused")
        Assert.Equal(load.Answered - load.Count "200", failed)
        Assert.Equal(load.Count "cut", cut)
        Assert.True(late < memory + memory / 4L + 32L * 1048576L, $"{memory} bytes became {late}")
        Assert.Equal(0, ended.ExitCode)
    }
