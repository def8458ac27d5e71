namespace Conduit.Server

open Conduit

/// What one request has left of its pool's retry policy. IMPURE: it reads the clock, and takes from the
/// pool's budget.
[<Struct; NoEquality; NoComparison>]
type Tries = {
    Settings: RetrySettings
    Budget: BudgetCell
    Now: unit -> Instant
    /// When the request began.
    Begun: Instant
    /// Further tries so far.
    Done: int
}

[<RequireQualifiedAccess>]
module Tries =

    /// What there is for the next try on a pool, after those on the backends of these gauges.
    let next (pool: PoolView) now begun (tried: Gauge list) : Tries =
        if tried.IsEmpty then
            pool.Budget.Count()

        {
            Settings = pool.Source.Settings.Retry
            Budget = pool.Budget
            Now = now
            Begun = begun
            Done = tried.Length
        }

/// IMPURE: where a request stands on its way through the data plane: plain stores. It belongs to an exchange
/// and is used for one request after the other.
[<Sealed>]
type Journey() =
    member val Passage = Unchecked.defaultof<Passage> with get, set

    /// The pool that has taken the request in, and that it leaves once.
    member val Admitted: PoolView voption = ValueNone with get, set

    member val Tries = Unchecked.defaultof<Tries> with get, set

    /// Where the request has been before the try that goes on.
    member val Tried: Gauge list = [] with get, set

    /// Where the try that goes on was sent, and when.
    member val Target = Unchecked.defaultof<Target> with get, set

    /// Whether that backend's place is to be given back yet.
    member val HasPlace = false with get, set

    member val Sent = Unchecked.defaultof<Instant> with get, set

    member this.Begin(passage: Passage) =
        this.Passage <- passage
        this.Admitted <- ValueNone
        this.Tried <- []
