namespace Conduit.Server

open Conduit

/// IMPURE: what is noted of one request while it is served: plain stores, read once when it is over. It
/// belongs to an exchange and is used for one request after the other.
[<Sealed>]
type RequestRecord() =
    /// Timestamps of the system's stopwatch; 0 for never.
    member val Began = 0L with get, set

    /// When the head of the backend's response was there.
    member val HeadAt = 0L with get, set

    /// Bytes of the request's body that were taken from the client.
    member val Received = 0L with get, set

    /// Bytes of the response's body that were handed over for the client.
    member val Sent = 0L with get, set

    member val Tries = 0 with get, set

    /// The backend that was tried last.
    member val Target: Target voption = ValueNone with get, set

    /// Why it was not answered by a backend, or not to the end; null where it was.
    member val Cause: string | null = null with get, set

    /// The header that tells the client the request's id; null where none does.
    member val IdHeader: string | null = null with get, set

    /// Whether it became a tunnel, which lasts as long as its users like.
    member val IsTunnel = false with get, set

    /// Whether the connection was cut instead of an answer, or in the middle of it.
    member val IsCut = false with get, set

    member this.Begin now =
        this.Began <- now
        this.HeadAt <- 0L
        this.Received <- 0L
        this.Sent <- 0L
        this.Tries <- 0
        this.Target <- ValueNone
        this.Cause <- null
        this.IsTunnel <- false
        this.IsCut <- false
