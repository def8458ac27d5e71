namespace Conduit.SystemTests

open System
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions
open Conduit.Server.Tests

/// HTTP/2 as nghttp2's own tools speak it.
[<Collection(SystemCollection.name)>]
type Http2Tests(output: ITestOutputHelper) =

    let requests, connections, streams = 100_000, 8, 64

    let backends (backend: SampleBackend) = [ $"backends: [\"{backend.Url}\"]" ]

    let load (conduit: ConfiguredConduit) scheme : Task = task {
        do! conduit.Ready()

        let! result =
            Load.h2load requests connections streams $"{scheme}://127.0.0.1:{conduit.Port}/"

        output.WriteLine $"{result}"
        Assert.Equal(0, result.Failures)
        Assert.Equal(requests, result.Answers)
    }

    [<Fact>]
    member _.``100,000 requests on 64 streams a connection over TLS, and none fails``() : Task = task {
        use! backend = SampleBackend.Start "a"
        use directory = new CertificateDirectory()
        let authority = TestAuthority "Conduit's system tests"
        directory.Put "server" (authority.Server [ "localhost" ])

        use conduit =
            ConfiguredConduit.OverTls(output, directory.Path "server", "", backends backend)

        do! load conduit "https"
    }

    [<Fact>]
    member _.``100,000 requests on 64 streams a connection in cleartext, and none fails``() : Task = task {
        use! backend = SampleBackend.Start "a"
        use conduit = new ConfiguredConduit(output, backends backend)
        do! load conduit "http"
    }

    [<Fact>]
    member _.``on SIGTERM clients get GOAWAY at once, and what they wait for in full``() : Task = task {
        use! backend = SampleBackend.Start "a"
        use conduit = new ConfiguredConduit(output, backends backend)
        do! conduit.Ready()

        let client =
            Child.Run(
                Programs.path Programs.nghttp,
                [ "--verbose"; $"http://127.0.0.1:{conduit.Port}/sleep?ms=2000" ],
                [],
                TimeSpan.FromSeconds 20.0
            )

        let! _ =
            Eventually.holds "the request is under way" (TimeSpan.FromSeconds 10.0) (fun () -> task {
                let! stats = Stats.read conduit.AdminPort
                return stats |> List.sumBy _.Connections = 1
            })

        conduit.Signal Signal.Terminate
        let! ended = client

        let at (text: string) =
            ended.Output |> List.tryFindIndex _.Contains(text)

        match at "recv GOAWAY frame", at ":status: 200", at "Slept 2 seconds on a" with
        | Some goAway, Some status, Some _ -> Assert.True(goAway < status, "GOAWAY came with the answer")
        | _ ->
            let log = String.concat "\n" ended.Output
            failwith $"nghttp has not seen GOAWAY, the status or the body:\n{log}"

        let! ended = conduit.End(TimeSpan.FromSeconds 10.0)
        Assert.Equal(0, ended.ExitCode)
    }
