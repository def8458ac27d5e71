namespace Conduit.Server

open System.Net
open System.Threading.Tasks
open Microsoft.AspNetCore.Connections

/// An end point that nobody can connect to. Kestrel builds a pipeline for it as for any other, and
/// connections that came in elsewhere are led into that.
[<Sealed>]
type InnerEndPoint(name: string) =
    inherit EndPoint()

    override _.ToString() = name

/// Never has a connection to accept.
[<Sealed>]
type InnerListener(endPoint: InnerEndPoint) =

    let closed = TaskCompletionSource<ConnectionContext | null>()

    interface IConnectionListener with
        member _.EndPoint = endPoint

        member _.AcceptAsync _ =
            ValueTask<ConnectionContext | null> closed.Task

        member _.UnbindAsync _ =
            closed.TrySetResult null |> ignore
            ValueTask.CompletedTask

        member _.DisposeAsync() =
            closed.TrySetResult null |> ignore
            ValueTask.CompletedTask
