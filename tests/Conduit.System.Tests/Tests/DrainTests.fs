namespace Conduit.SystemTests

open System
open System.Diagnostics
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions

/// What happens to single connections between SIGTERM and the end.
[<Collection(SystemCollection.name)>]
type DrainTests(output: ITestOutputHelper) =

    let soon = TimeSpan.FromSeconds 2.0
    let size = 300_000

    /// Starts a balancer and a connection to it that has had one answer.
    let withConnection (test: Conduit -> KeptConnection -> Task<unit>) = task {
        use backend = new Nginx "nginx-1"
        do! backend.Start()
        backend.AddFile "download" size
        use conduit = new Conduit(output, [ backend.Url ], [ "--drain-timeout"; "10s" ])
        do! conduit.Ready()

        match! KeptConnection.TryOpen conduit.Port with
        | None -> failwith "refused before the signal"
        | Some connection ->
            use _ = connection
            let! first = connection.Get "/load"
            Assert.Equal(Exchange.Answered(200, "nginx-1\n".Length, false), first)
            do! test conduit connection
    }

    let unready (conduit: Conduit) =
        Eventually.holds "/readyz turns 503" soon (fun () -> task {
            let! status = Stats.tryStatus conduit.AdminPort "/readyz"
            return status = Some 503
        })

    /// Starts a download that takes three seconds, and sends SIGTERM when it is under way.
    let interrupted (test: Conduit -> KeptConnection -> Task<Exchange> -> Task<unit>) =
        withConnection (fun conduit connection -> task {
            let download = connection.Get "/trickle/download"

            let! _ =
                Eventually.holds "the download is under way" soon (fun () -> task {
                    let! stats = Stats.read conduit.AdminPort
                    return stats |> List.sumBy _.Connections = 1
                })

            conduit.Signal Signal.Terminate
            do! test conduit connection download
        })

    [<Fact>]
    member _.``a download under way is finished, while readyz says 503 and new connections are refused``() =
        interrupted (fun conduit _ download -> task {
            let! unready = unready conduit

            let! refused =
                Eventually.holds "new connections are refused" soon (fun () -> task {
                    let! answers = Eventually.answers conduit.Port
                    return not answers
                })

            output.WriteLine(
                $"503 after {unready.TotalMilliseconds:F0} ms, "
                + $"connections refused {refused.TotalMilliseconds:F0} ms later"
            )

            Assert.False(download.IsCompleted, "the download was over too early")
            let! exchange = download
            Assert.Equal(Exchange.Answered(200, size, false), exchange)
            let! ended = conduit.End(2.0 * soon)
            Assert.Equal(0, ended.ExitCode)
        })

    [<Fact>]
    member _.``the client of a finished download, who was not told of the end, may send one more request``() =
        interrupted (fun conduit connection download -> task {
            let! exchange = download
            Assert.Equal(Exchange.Answered(200, size, false), exchange)
            // The round trip of a client that is far away.
            do! Task.Delay 100
            let! next = connection.Get "/load"
            Assert.Equal(Exchange.Answered(200, "nginx-1\n".Length, true), next)
            let! ended = conduit.End(2.0 * soon)
            Assert.Equal(0, ended.ExitCode)
        })

    [<Fact>]
    member _.``a second signal ends it at once``() =
        interrupted (fun conduit _ download -> task {
            let! _ = unready conduit
            let clock = Stopwatch.StartNew()
            conduit.Signal Signal.Terminate
            let! _ = conduit.End soon
            output.WriteLine $"ended {clock.ElapsedMilliseconds} ms after the second signal"

            match! download with
            | Exchange.Cut _ -> ()
            | other -> failwith $"the download ended as {other}"
        })

    [<Fact>]
    member _.``an idle connection does not hold up the end``() =
        withConnection (fun conduit _ -> task {
            let clock = Stopwatch.StartNew()
            conduit.Signal Signal.Terminate
            let! ended = conduit.End(2.0 * soon)
            output.WriteLine $"ended after {clock.ElapsedMilliseconds} ms"
            Assert.Equal(0, ended.ExitCode)
        })
