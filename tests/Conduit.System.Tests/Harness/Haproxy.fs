namespace Conduit.SystemTests

open System
open System.IO
open System.Threading.Tasks

/// A real HAProxy with sections of the test's choice.
[<Sealed>]
type Haproxy private (child: Child, directory: TemporaryDirectory) =

    /// Starts it, and waits until it accepts connections on the port.
    static member Start(sections: string list, port: int) : Task<Haproxy> = task {
        let directory = new TemporaryDirectory()
        let file = directory.File "haproxy.cfg"

        let defaults = [
            "defaults"
            "    timeout connect 5s"
            "    timeout client 10s"
            "    timeout server 10s"
        ]

        File.WriteAllLines(file, defaults @ sections)
        let child = Child.Start(Programs.path Programs.haproxy, [ "-db"; "-f"; file ], [])
        let! _ = child.Listening port
        return new Haproxy(child, directory)
    }

    interface IDisposable with
        member _.Dispose() =
            (child :> IDisposable).Dispose()
            (directory :> IDisposable).Dispose()
