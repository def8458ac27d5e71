namespace Conduit.SystemTests

open System
open System.Threading.Tasks

/// The program's own sample backend, as a process.
[<Sealed>]
type SampleBackend private (child: Child, port: int) =

    member _.Url = $"http://127.0.0.1:{port}"

    /// Starts it, and waits until it accepts connections.
    static member Start(name: string) : Task<SampleBackend> = task {
        let port = Ports.free ()

        let child = Executable.start [ "backend"; "--port"; string port; "--name"; name ] []

        let! _ = child.Listening port
        return new SampleBackend(child, port)
    }

    interface IDisposable with
        member _.Dispose() = (child :> IDisposable).Dispose()
