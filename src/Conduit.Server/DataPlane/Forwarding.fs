namespace Conduit.Server

open System
open System.Threading.Tasks
open Conduit

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
        exchange: Exchange * target: Target * timeouts: Timeouts * passage: Passage -> Task<TryResult>
