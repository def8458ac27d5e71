namespace Conduit.SystemTests

open System
open Xunit.Abstractions

/// The executable under test, run with arguments of the test's choice.
[<RequireQualifiedAccess>]
module Executable =

    /// What an operator's own environment says must not reach the program under test.
    let private cleared = [
        for name in [ "PROXY_PORT"; "BACKEND_SERVERS"; "DASHBOARD_PORT"; "LOG_ENV" ] -> name, None
    ]

    let private environment (added: (string * string) list) =
        cleared @ [ for name, value in added -> name, Some value ]

    /// Runs it to its end, which must come by itself.
    let run (arguments: string list) added =
        Child.Run(Programs.conduit.Value, arguments, environment added, TimeSpan.FromSeconds 20.0)

    /// Starts it; the caller knows how to see that it is up.
    let start (arguments: string list) added =
        Child.Start(Programs.conduit.Value, arguments, environment added)

    /// Starts it with so many descriptors at most.
    let startWithin (descriptors: int) (arguments: string list) =
        Child.Start(
            "/bin/sh",
            [
                "-c"
                $"ulimit -n {descriptors} && exec \"$0\" \"$@\""
                Programs.conduit.Value
            ]
            @ arguments,
            environment []
        )

    /// Waits until the admin port says that it is ready.
    let ready (child: Child) adminPort = task {
        let! _ =
            Eventually.holds "conduit answers /readyz with 200" (TimeSpan.FromSeconds 20.0) (fun () -> task {
                child.RequireRunning()
                let! status = Stats.tryStatus adminPort "/readyz"
                return status = Some 200
            })

        return ()
    }

/// The program under test as a balancer in front of backends given as `--backends` takes them. The last
/// lines of its log go to the test's output when it is disposed.
[<Sealed>]
type Conduit(output: ITestOutputHelper, backends: string list, arguments: string list) =

    let port = Ports.free ()
    let adminPort = Ports.free ()

    let own = [
        "--backends"
        String.concat "," backends
        "--host"
        "127.0.0.1"
        "--port"
        string port
        "--admin-port"
        string adminPort
    ]

    let child = Executable.start (own @ arguments) []

    member _.Port = port

    member _.AdminPort = adminPort

    member _.Id = child.Id

    /// The URL of a target on its traffic port.
    member _.Url(target: string) = $"http://127.0.0.1:{port}{target}"

    /// Waits until it says that it is ready.
    member _.Ready() = Executable.ready child adminPort

    /// What `/stats` says about the backend with the port.
    member _.Backend(backendPort: int) = task {
        let! all = Stats.read adminPort
        return all |> List.find (fun backend -> backend.Url.EndsWith $":{backendPort}")
    }

    member _.Signal signal = child.Send signal

    /// Waits for it to end by itself: its exit code and its log.
    member _.End deadline = child.End deadline

    interface IDisposable with
        member _.Dispose() =
            for line in child.Tail do
                output.WriteLine("conduit: " + line)

            (child :> IDisposable).Dispose()
