namespace Conduit.Server.Tests

open System.Threading.Tasks

/// A connection from the balancer, as a script sees it.
[<Sealed>]
type BackendConnection(wire: Wire, number: int, received: Message -> unit) =

    /// 0 for the first connection that said anything.
    member _.Number = number

    member _.Wire = wire
    member _.Send(text: string) : Task = wire.Send text
    member _.Send(bytes: byte[]) : Task = wire.Send bytes

    /// The head of the next request; nothing when the balancer closed the connection.
    member _.ReadHead() : Task<Message option> = task {
        let! head = Framing.readHead wire
        Option.iter received head
        return head
    }

    /// The next request, whole; nothing when the balancer closed the connection.
    member _.ReadRequest() : Task<Message option> = task {
        match! Framing.readHead wire with
        | None -> return None
        | Some head ->
            let! request = Framing.readRequestBody wire head
            received request
            return Some request
    }

    /// Waits until the balancer closes the connection or breaks it off.
    member _.Left() : Task = task {
        let! _ = wire.ReadToEnd()
        ()
    }

    member _.Reset() = wire.Reset()
