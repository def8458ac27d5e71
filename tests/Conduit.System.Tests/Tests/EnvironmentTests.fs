namespace Conduit.SystemTests

open Xunit
open Xunit.Abstractions

/// The ways in which an operator can say the same thing.
[<Collection(SystemCollection.name)>]
type EnvironmentTests(output: ITestOutputHelper) =

    /// Whether a program started so balances to the backend that is there, on the port.
    let serves (arguments: string list) environment (port: int) (backend: Nginx) = task {
        let adminPort = Ports.free ()

        use child =
            Executable.start
                (arguments @ [ "--admin-port"; string adminPort; "--host"; "127.0.0.1" ])
                environment

        do! Executable.ready child adminPort
        let before = backend.Count "/load"

        match! KeptConnection.TryOpen port with
        | None -> failwith $"nothing accepts connections on port {port}"
        | Some connection ->
            use _ = connection
            let! exchange = connection.Get "/load"
            output.WriteLine $"{exchange}"
            Assert.Equal(before + 1, backend.Count "/load")
    }

    [<Fact>]
    member _.``PROXY_PORT and BACKEND_SERVERS do what the flags do``() = task {
        use backend = new Nginx "nginx-1"
        do! backend.Start()
        let port = Ports.free ()
        do! serves [] [ "PROXY_PORT", string port; "BACKEND_SERVERS", backend.Url ] port backend
    }

    [<Fact>]
    member _.``flags beat the environment``() = task {
        use backend = new Nginx "nginx-1"
        do! backend.Start()
        let port = Ports.free ()

        do!
            serves
                [ "--port"; string port; "--backends"; backend.Url ]
                [
                    "PROXY_PORT", string (Ports.free ())
                    "BACKEND_SERVERS", "http://127.0.0.1:1"
                ]
                port
                backend
    }

    [<Fact>]
    member _.``flags may have one dash, and their value an equals sign``() = task {
        use backend = new Nginx "nginx-1"
        do! backend.Start()
        let port = Ports.free ()
        do! serves [ "-backends"; backend.Url; $"--port={port}" ] [] port backend
    }
