namespace Conduit.Server

open System
open System.Threading.Tasks
open Conduit
open Conduit.Transport.Epoll

[<RequireQualifiedAccess>]
module Transport =

    /// What `Auto` means on this system.
    let chosen transport =
        match transport with
        | Transport.Auto when EventLoops.IsSupported -> Transport.Epoll
        | Transport.Auto -> Transport.Portable
        | asked -> asked

/// One try of a request.
[<Struct; NoEquality; NoComparison>]
type TryResult = {
    Outcome: Outcome
    /// Bytes of the request's body are gone.
    BodySpent: bool
}

/// Sends a request to a backend and relays the answer. It never throws.
type IForwarder =
    inherit IDisposable

    abstract Forward:
        exchange: Exchange * target: Target * timeouts: Timeouts * passage: Passage -> ValueTask<TryResult>
