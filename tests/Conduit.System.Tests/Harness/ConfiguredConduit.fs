namespace Conduit.SystemTests

open System
open System.IO
open Xunit.Abstractions

/// The program under test with a configuration of the test's own behind the ports, which the system chooses.
/// The last lines of its log go to the test's output when it is disposed.
[<Sealed>]
type ConfiguredConduit(output: ITestOutputHelper, listen: string, rest: string list) =

    let directory = new TemporaryDirectory()
    let port, adminPort = Ports.free (), Ports.free ()
    let file = directory.File "conduit.yaml"

    let child =
        File.WriteAllLines(
            file,
            [
                $"listen: {{ host: \"::\", port: {port}{listen} }}"
                $"admin: {{ port: {adminPort} }}"
            ]
            @ rest
        )

        Executable.start [ "--config"; file ] []

    /// `rest` is what the file says besides its ports.
    new(output, rest: string list) = new ConfiguredConduit(output, "", rest)

    /// With a certificate; the section `tls` says the same and what is in `more`.
    static member OverTls(output, certificate: string, more: string, rest) =
        let tls =
            $"enabled: true, cert_file: {certificate}.pem, key_file: {certificate}.key{more}"

        new ConfiguredConduit(output, $", tls: {{ {tls} }}", rest)

    member _.Port = port
    member _.AdminPort = adminPort
    member _.Id = child.Id

    /// Waits until it says that it is ready.
    member _.Ready() = Executable.ready child adminPort

    member _.Signal signal = child.Send signal

    /// Waits for it to end by itself: its exit code and its log.
    member _.End deadline = child.End deadline

    interface IDisposable with
        member _.Dispose() =
            for line in child.Tail do
                output.WriteLine("conduit: " + line)

            (child :> IDisposable).Dispose()
            (directory :> IDisposable).Dispose()
