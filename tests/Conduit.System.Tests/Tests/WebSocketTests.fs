namespace Conduit.SystemTests

open System
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions
open Conduit.Server.Tests

/// WebSockets by npm's `ws`, the client and the server of which see the same through Conduit as without it.
[<Collection(SystemCollection.name)>]
type WebSocketTests(output: ITestOutputHelper) =

    /// What the cases come to, so that they cannot be equal by all going wrong in the same way.
    let mustHold = [
        "manyAtOnce true"
        """fragmentsSent {"length":70003,"frames":[{"opcode":2,"last":false,"length":70000},{"opcode":0,"last":false,"length":0},{"opcode":0,"last":true,"length":3}]}"""
        """fragmentsReceived {"text":"one two three","frames":[{"opcode":1,"last":false,"length":4},{"opcode":0,"last":false,"length":4},{"opcode":0,"last":true,"length":5}]}"""
        """pings {"pong":"from the client","ping":"from-the-server","heard":{"pings":["from the client"],"pongs":["from-the-server"]}}"""
        """closedByServer [[1000,"done"],[1011,"a defect"],[4000,""],[4999,"the last"]]"""
        "droppedByServer 1006"
        """droppedByClient [1006,""]"""
    ]

    let cases = 11

    let seen arguments =
        Node.run "websocket-client.cjs" arguments (TimeSpan.FromSeconds 60.0)

    /// Compares the way to a server with the way through a balancer in front of it.
    let same (balancer: string list -> ConfiguredConduit) (scheme: string) arguments : Task = task {
        let port = Ports.free ()
        use server = Node.start "websocket-backend.cjs" [ string port ]
        let! _ = server.Listening port
        use conduit = balancer [ $"backends: [\"http://127.0.0.1:{port}\"]" ]
        do! conduit.Ready()
        let! expected = seen [ $"ws://localhost:{port}" ]
        Assert.Equal(cases, expected.Length)

        for line in mustHold do
            Assert.Contains(line, expected)

        let echoed = expected |> List.find _.StartsWith("echo ")
        Assert.Contains("[1,true,true]", echoed)
        Assert.Contains("[16777216,true,true]", echoed)
        let! found = seen ($"{scheme}://localhost:{conduit.Port}" :: arguments)
        Assert.Equal<string list>(expected, found)
        output.WriteLine $"{cases} cases, the same direct and through Conduit"
    }

    [<Fact>]
    member _.``messages, fragments, pings and close codes arrive as sent``() =
        same (fun rest -> new ConfiguredConduit(output, rest)) "ws" []

    [<Fact>]
    member _.``messages, fragments, pings and close codes arrive as sent over TLS``() : Task = task {
        use directory = new CertificateDirectory()
        let authority = TestAuthority "Conduit's system tests"
        let ca = directory.Write "ca.pem" authority.Pem
        directory.Put "server" (authority.Server [ "localhost" ])

        do!
            same (fun rest -> ConfiguredConduit.OverTls(output, directory.Path "server", "", rest)) "wss" [
                ca
            ]
    }
