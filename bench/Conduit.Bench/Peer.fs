namespace Conduit.Bench

open System
open Conduit.SystemTests

/// What a proxy has to do.
type Setup = {
    Port: int
    /// A port for its own administration, where it has one.
    AdminPort: int
    Backends: int list
    Protocol: Protocol
    Certificate: Certificate
    Directory: TemporaryDirectory
}

/// A proxy that can be measured.
type Peer = {
    Name: string
    /// Makes it from source, where it is made from source.
    Prepare: unit -> unit
    Version: unit -> string
    /// The program, its arguments and its environment.
    Command: Setup -> string * string list * (string * string option) list
    /// Whether it can serve a case.
    Serves: Case -> bool
    /// Bytes that its heap has given out so far, where it tells.
    Allocated: Setup -> int64 option
}

/// A proxy that runs.
[<Sealed>]
type RunningPeer private (peer: Peer, setup: Setup, child: Child) =

    member _.Peer = peer
    member _.Port = setup.Port
    member _.Allocated() = peer.Allocated setup

    member _.Cpu() =
        ProcessTree.cpu (ProcessTree.members child.Id)

    member _.PeakMemory() =
        ProcessTree.peakMemory (ProcessTree.members child.Id)

    static member Start(peer: Peer, setup: Setup) = task {
        let program, arguments, environment = peer.Command setup
        let child = Child.Start(program, arguments, environment)
        let! _ = child.Listening setup.Port
        return new RunningPeer(peer, setup, child)
    }

    interface IDisposable with
        member _.Dispose() =
            // Its processes end with it: none may be left behind.
            child.Send Signal.Terminate

            try
                child.End(TimeSpan.FromSeconds 15.0).Wait()
            with :? AggregateException as late ->
                eprintfn "%s" late.Message

            (child :> IDisposable).Dispose()
            (setup.Directory :> IDisposable).Dispose()
