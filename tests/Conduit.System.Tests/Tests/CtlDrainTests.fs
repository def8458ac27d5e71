namespace Conduit.SystemTests

open System
open Xunit
open Xunit.Abstractions

/// An operator takes a backend out by hand while traffic flows.
[<Collection(SystemCollection.name)>]
type CtlDrainTests(output: ITestOutputHelper) =

    let connections = 64
    let patience = TimeSpan.FromSeconds 20.0

    let ctl (conduit: Conduit) (words: string list) = task {
        let environment = [ "CONDUIT_ADMIN_URL", $"http://127.0.0.1:{conduit.AdminPort}" ]
        let! ended = Executable.run ("ctl" :: words) environment

        for line in ended.Output @ ended.Errors do
            output.WriteLine("ctl: " + line)

        Assert.Equal(0, ended.ExitCode)
        return ended.Output
    }

    [<Fact>]
    member _.``a drain under load fails no request, and its end is told when nothing is in flight``() = task {
        use servers = new NginxGroup([ "a"; "b"; "c" ])
        do! servers.Start()
        let leaving = servers.Servers.Head
        use conduit = new Conduit(output, servers.Urls, [])
        do! conduit.Ready()
        let load = Load.wrkFor 5 connections (conduit.Url "/")

        let! _ =
            Eventually.holds "it gets traffic" patience (fun () -> task { return leaving.Count "/" > 1000 })

        let! told = ctl conduit [ "drain"; $"127.0.0.1:{leaving.Port}"; "--wait" ]
        let served = leaving.Count "/"
        Assert.Equal<string list>([ $"127.0.0.1:{leaving.Port} is drained: 0 in flight" ], told)
        let! backend = conduit.Backend leaving.Port
        Assert.Equal(0, backend.Connections)

        let! result = load
        output.WriteLine $"{result}; {served} answered by the one that was drained"
        Assert.Equal(0, result.Failures)
        Assert.Equal(served, leaving.Count "/")

        let! _ = ctl conduit [ "ready"; $"127.0.0.1:{leaving.Port}" ]
        let! again = Load.heyRequests 300 4 (conduit.Url "/")
        Assert.Equal(0, again.Failures)
        Assert.True(leaving.Count "/" >= served + 90, "it is back")
    }
