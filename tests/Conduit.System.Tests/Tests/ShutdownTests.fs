namespace Conduit.SystemTests

open System
open System.Diagnostics
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions

/// SIGTERM while 64 kept connections send one request after the other.
[<Collection(SystemCollection.name)>]
type ShutdownTests(output: ITestOutputHelper) =

    let clients = 64
    let drain = TimeSpan.FromSeconds 10.0
    let soon = TimeSpan.FromSeconds 2.0

    /// Short answers, answers of many packets, and answers that are under way at any moment: nginx sends a
    /// trickled file at 100 kB a second, so these take a half and two seconds.
    let targets = [
        for index in 1..clients ->
            match index % 8 with
            | 0 -> "/trickle/200k"
            | 1 -> "/trickle/50k"
            | 2
            | 3 -> "/files/256k"
            | _ -> "/load"
    ]

    [<Theory>]
    [<InlineData 1>]
    [<InlineData 2>]
    [<InlineData 3>]
    [<InlineData 4>]
    [<InlineData 5>]
    member _.``SIGTERM under the load of 64 kept connections breaks no answer``(_round: int) = task {
        use backends = new NginxGroup([ "nginx-1"; "nginx-2"; "nginx-3" ])
        do! backends.Start()

        for server in backends.Servers do
            server.AddFile "256k" 262_144
            server.AddFile "50k" 50_000
            server.AddFile "200k" 200_000

        use conduit = new Conduit(output, backends.Urls, [ "--drain-timeout"; "10s" ])
        do! conduit.Ready()
        let load = KeptClients(conduit.Port, targets)

        let! _ =
            Eventually.holds "the load runs" (TimeSpan.FromSeconds 20.0) (fun () ->
                Task.FromResult(load.Answers > 3000))

        let clock = Stopwatch.StartNew()
        load.Leaving()
        conduit.Signal Signal.Terminate
        let! ended = conduit.End(drain + soon)
        let elapsed = clock.Elapsed
        let! _ = load.Finished.WaitAsync soon

        output.WriteLine(
            $"{load.Answers} answers, {load.LateAnswers} of them to requests sent after SIGTERM; "
            + $"{load.Broken.Length} broken; "
            + $"exit code {ended.ExitCode} after {elapsed.TotalMilliseconds:F0} ms"
        )

        let broken = load.Broken |> List.truncate 10 |> String.concat "\n"
        Assert.True(load.Broken.IsEmpty, $"{load.Broken.Length} broken:\n{broken}")
        Assert.Equal(0, ended.ExitCode)
        Assert.True(elapsed < drain, $"took {elapsed.TotalMilliseconds} ms")
    }
