namespace Conduit.SystemTests

open System
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions
open Conduit.Server.Tests

/// gRPC by `@grpc/grpc-js`, the client and the server of which see the same through Conduit as without it.
[<Collection(SystemCollection.name)>]
type GrpcTests(output: ITestOutputHelper) =

    let deadline = TimeSpan.FromSeconds 60.0

    /// What the cases come to, so that they cannot be equal by all going wrong in the same way.
    let mustHold = [
        """unary {"answer":"hello","leading":{"leading":["some text"]},"status":{"code":0,"details":"OK","trailing-bin":["000a0dff"]}}"""
        """empty {"length":0,"status":{"code":0,"details":"OK","trailing-bin":[""]}}"""
        """large {"length":16777216,"same":true,"status":{"code":0,"details":"OK","trailing-bin":[""]}}"""
        """clientStream {"code":0,"answer":"2000 1999000"}"""
        """cancelBeforeAnswer {"status":{"code":1,"details":"Cancelled on client"},"server":"cancelled, without a deadline"}"""
        """deadline {"code":4,"server":"cancelled, with a deadline"}"""
        """failLate {"messages":["one","two"],"status":{"code":10,"details":"half way","why-bin":["0001feff"]}}"""
        """trailersOnly {"status":200,"type":"application/grpc+proto","code":"9","message":"no","ended":true}"""
    ]

    let cases = 15

    /// A server on a free port.
    let server arguments : Task<struct (Child * int)> = task {
        let port = Ports.free ()
        let child = Node.start "grpc-backend.cjs" (string port :: arguments)
        let! _ = child.Listening port
        return struct (child, port)
    }

    let seen (port: int) arguments =
        Node.run "grpc-client.cjs" (string port :: arguments) deadline

    let same (direct: int * string list) (through: int * string list) : Task = task {
        let! expected = seen <|| direct
        Assert.Equal(cases, expected.Length)

        for line in mustHold do
            Assert.Contains(line, expected)

        let! found = seen <|| through
        Assert.Equal<string list>(expected, found)
        output.WriteLine $"{cases} cases, the same direct and through Conduit"
    }

    [<Fact>]
    member _.``the interop cases come out the same through Conduit in cleartext``() : Task = task {
        let! struct (server, port) = server []
        use _ = server

        use conduit =
            new ConfiguredConduit(
                output,
                [
                    "pools:"
                    $"  default: {{ protocol: h2c, backends: [\"http://127.0.0.1:{port}\"] }}"
                ]
            )

        do! conduit.Ready()
        do! same (port, []) (conduit.Port, [])
    }

    [<Fact>]
    member _.``the interop cases come out the same through Conduit over TLS on both sides``() : Task = task {
        use directory = new CertificateDirectory()
        let authority = TestAuthority "Conduit's system tests"
        let ca = directory.Write "ca.pem" authority.Pem
        directory.Put "server" (authority.Server [ "localhost" ])

        let! struct (server, port) =
            server [ directory.Path "server.pem"; directory.Path "server.key" ]

        use _ = server

        use conduit =
            ConfiguredConduit.OverTls(
                output,
                directory.Path "server",
                "",
                [
                    "pools:"
                    "  default:"
                    "    protocol: h2"
                    $"    tls: {{ ca_file: {ca}, server_name: localhost }}"
                    $"    backends: [\"https://127.0.0.1:{port}\"]"
                ]
            )

        do! conduit.Ready()
        do! same (port, [ ca ]) (conduit.Port, [ ca ])
    }
