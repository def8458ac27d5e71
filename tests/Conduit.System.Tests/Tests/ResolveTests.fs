namespace Conduit.SystemTests

open System
open System.IO
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions

/// A name whose addresses change while traffic flows.
[<Collection(SystemCollection.name)>]
type ResolveTests(output: ITestOutputHelper) =

    let lifetime = TimeSpan.FromSeconds 2.0
    let name = "app.test"

    let configuration (port: int) (admin: int) (backends: int) (server: string) =
        String.concat "\n" [
            $"listen: {{ host: 127.0.0.1, port: {port} }}"
            $"admin: {{ port: {admin} }}"
            $"resolver: {{ servers: [\"{server}\"] }}"
            "pools:"
            "  default:"
            "    backends:"
            $"      - {{ id: app, url: http://{name}:{backends}, resolve: all }}"
            ""
        ]

    /// A sample backend on an address of its own: all of 127.0.0.0/8 is this machine.
    let sampleBackend (port: int) (address: string) = task {
        let child =
            Executable.start [ "backend"; "--host"; address; "--port"; string port; "--name"; address ] []

        return child
    }

    let addressesOf admin = task {
        let! all = Stats.read admin
        return all |> List.map (fun backend -> (Uri backend.Url).Host) |> List.sort
    }

    /// How long it took until the backends are those with the addresses.
    let followed admin (addresses: string list) =
        let all = String.concat ", " addresses

        Eventually.holds $"the backends are {all}" (lifetime + TimeSpan.FromSeconds 10.0) (fun () -> task {
            let! found = addressesOf admin
            return found = List.sort addresses
        })

    [<Fact>]
    member _.``A name's addresses are followed within their lifetime, and no request fails``() = task {
        let port, admin, backendPort = Ports.free (), Ports.free (), Ports.free ()
        let all = [ "127.0.1.1"; "127.0.1.2"; "127.0.1.3"; "127.0.1.4" ]

        let! children =
            Task.WhenAll [ for address in all -> sampleBackend backendPort address ]

        try
            use server = new Dnsmasq(lifetime)
            do! server.Start(name, all[0..1])
            use directory = new TemporaryDirectory()
            let file = directory.File "conduit.yaml"
            File.WriteAllText(file, configuration port admin backendPort server.EndPoint)
            use conduit = Executable.start [ "--config"; file ] []
            do! Executable.ready conduit admin
            let! first = addressesOf admin
            Assert.Equal<string list>(all[0..1], first)

            let load = Load.wrkFor 20 16 $"http://127.0.0.1:{port}/"

            // One more, one less, all others, and back.
            for addresses in [ all[0..2]; all[1..2]; all[3..3]; all ] do
                do! Task.Delay(TimeSpan.FromSeconds 1.0)
                server.Change(name, addresses)
                let! took = followed admin addresses
                let listed = String.concat ", " addresses
                output.WriteLine $"{listed}: followed after {took.TotalMilliseconds:F0} ms"
                Assert.True(took <= lifetime + TimeSpan.FromSeconds 1.0, $"only after {took}")

            let! result = load
            output.WriteLine $"{result}"
            Assert.Equal(0, result.Failures)
        finally
            for child in children do
                (child :> IDisposable).Dispose()
    }

    [<Fact>]
    member _.``A name server that is gone leaves the backends as they were``() = task {
        let port, admin, backendPort = Ports.free (), Ports.free (), Ports.free ()
        use! _backend = sampleBackend backendPort "127.0.1.1"
        use directory = new TemporaryDirectory()
        let file = directory.File "conduit.yaml"
        let server = new Dnsmasq(TimeSpan.FromSeconds 1.0)
        do! server.Start(name, [ "127.0.1.1" ])
        File.WriteAllText(file, configuration port admin backendPort server.EndPoint)
        use conduit = Executable.start [ "--config"; file ] []
        do! Executable.ready conduit admin
        (server :> IDisposable).Dispose()

        let! _ =
            Eventually.holds "the log tells of it" (TimeSpan.FromSeconds 15.0) (fun () ->
                Task.FromResult(conduit.Tail |> List.exists _.Contains("cannot be resolved")))

        let! after = addressesOf admin
        Assert.Equal<string list>([ "127.0.1.1" ], after)
        let! result = Load.heyRequests 100 4 $"http://127.0.0.1:{port}/"
        Assert.Equal(0, result.Failures)
    }
