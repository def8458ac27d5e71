namespace Conduit.Server

open System
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Connections
open Conduit.Transport

/// Accepts a client only while there are descriptors to spare; until others close it waits in its own system.
/// The event loops see to that themselves.
[<Sealed>]
type SparingListener(inner: IConnectionListener) =

    let unbound = new CancellationTokenSource()

    let left = Action(fun () -> FileTable.CountClient -1)

    let accept (cancellation: CancellationToken) : Task<ConnectionContext | null> = task {
        let! accepted = inner.AcceptAsync cancellation

        match accepted with
        | null -> ()
        | connection ->
            FileTable.CountClient 1
            connection.ConnectionClosed.Register left |> ignore

        return accepted
    }

    let acceptLater (cancellation: CancellationToken) = task {
        try
            do! FileTable.RoomForClientAsync unbound.Token
        with :? OperationCanceledException ->
            ()

        return! accept cancellation
    }

    interface IConnectionListener with
        member _.EndPoint = inner.EndPoint

        member _.AcceptAsync cancellation =
            ValueTask<ConnectionContext | null>(
                if FileTable.HasRoomForClient() then
                    accept cancellation
                else
                    acceptLater cancellation
            )

        member _.UnbindAsync cancellation =
            unbound.Cancel()
            inner.UnbindAsync cancellation

        member _.DisposeAsync() = inner.DisposeAsync()
