namespace Conduit.SystemTests

open System
open System.IO
open System.Threading.Tasks

/// A name server on a free port of the loopback address, whose answers the test chooses.
[<Sealed>]
type Dnsmasq(lifetime: TimeSpan) =

    let directory = new TemporaryDirectory()
    let hosts = directory.File "hosts"
    let port = Ports.free ()

    let write (name: string) (addresses: string list) =
        let lines = addresses |> List.map (fun address -> $"{address} {name}")
        File.WriteAllLines(hosts, lines)

    let start () =
        Child.Start(
            Programs.path Programs.dnsmasq,
            [
                "--keep-in-foreground"
                "--conf-file=/dev/null"
                "--no-resolv"
                "--no-hosts"
                "--no-daemon"
                "--listen-address=127.0.0.1"
                "--bind-interfaces"
                $"--port={port}"
                $"--addn-hosts={hosts}"
                $"--local-ttl={int lifetime.TotalSeconds}"
            ],
            []
        )

    let child = lazy start ()

    /// Where it listens, as `resolver.servers` takes it.
    member _.EndPoint = $"127.0.0.1:{port}"

    /// Starts it with these addresses of a name. It listens on TCP too.
    member _.Start(name, addresses) : Task = task {
        write name addresses
        let! _ = child.Value.Listening port
        ()
    }

    /// From now on a name has these addresses.
    member _.Change(name, addresses) =
        write name addresses
        child.Value.Send Signal.HangUp

    interface IDisposable with
        member _.Dispose() =
            if child.IsValueCreated then
                (child.Value :> IDisposable).Dispose()

            (directory :> IDisposable).Dispose()
