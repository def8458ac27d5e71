namespace Conduit.SystemTests

open System
open System.Diagnostics
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions

/// A backend that dies under load, and comes back.
[<Collection(SystemCollection.name)>]
type FailureTests(output: ITestOutputHelper) =

    let target = "/load"
    let check = "/alive"
    let connections = 64
    let interval = TimeSpan.FromMilliseconds 500.0
    let rise = 2

    let second = TimeSpan.FromSeconds 1.0

    let settings = [
        "--strategy"
        "round-robin"
        "--health-path"
        check
        "--health-interval"
        "500ms"
        "--health-rise"
        string rise
        "--health-fall"
        "3"
    ]

    let servesMore (server: Nginx) = task {
        let before = server.Count target

        return!
            Eventually.holds $"{server.Name} gets requests" (TimeSpan.FromSeconds 5.0) (fun () ->
                Task.FromResult(server.Count target >= before + 100))
    }

    let turns (conduit: Conduit) (server: Nginx) alive =
        Eventually.holds $"alive={alive} for {server.Name} in /stats" (TimeSpan.FromSeconds 10.0) (fun () -> task {
            let! stats = conduit.Backend server.Port
            return stats.Alive = alive
        })

    /// Kills one of three servers under the load, starts it again, and lets the load end.
    let scenario (load: string -> Task<LoadResult>) = task {
        use backends = new NginxGroup([ "nginx-1"; "nginx-2"; "nginx-3" ])
        do! backends.Start()
        use conduit = new Conduit(output, backends.Urls, settings)
        do! conduit.Ready()

        let victim = backends.Servers[1]
        let loading = load (conduit.Url target)
        let! _ = servesMore victim
        // The first answer of /stats costs both sides a compilation, which is not what is measured.
        let! _ = turns conduit victim true

        let clock = Stopwatch.StartNew()
        victim.Kill()
        let! _ = turns conduit victim false
        let out = clock.Elapsed
        output.WriteLine $"out of rotation {out.TotalMilliseconds:F0} ms after SIGKILL"

        let before = victim.Requests.Length
        do! victim.Start()
        let! back = turns conduit victim true
        output.WriteLine $"back in rotation {back.TotalMilliseconds:F0} ms after its restart"
        let! _ = servesMore victim

        // The server's own log says it without a clock: checks only, and then requests.
        let checks =
            victim.Requests
            |> Array.skip before
            |> Array.takeWhile ((=) check)
            |> Array.length

        let! result = loading
        output.WriteLine $"{checks} checks before the first request; load: {result}"

        Assert.True(out < second, $"out of rotation after {out.TotalMilliseconds} ms")
        Assert.Equal(rise, checks)
        Assert.True(back < float (rise + 1) * interval, $"back after {back.TotalMilliseconds} ms")
        Assert.True(result.Answers > 1000, $"{result}")
        Assert.Equal(0, result.Failures)
    }

    [<Fact>]
    member _.``a backend killed under the load of hey costs no request, and comes back within rise checks``
        ()
        =
        scenario (Load.heyFor 8 connections)

    [<Fact>]
    member _.``a backend killed under the load of wrk costs no request, and comes back within rise checks``
        ()
        =
        scenario (Load.wrkFor 8 connections)
