namespace Conduit

open System

/// What the traffic port bears from clients that are slow.
type ClientLimits = {
    /// For the headers of a request, from their first byte.
    HeaderTimeout: TimeSpan
    /// How long a connection may be open without a request.
    KeepAlive: TimeSpan
    /// Bytes a second that a client sends of a body, or takes of a response, where it is waited for; 0 for any.
    MinRate: int64
    /// What a client may be behind that.
    Grace: TimeSpan
}

/// A client that is waited for lives on time that it earns: the bytes that it moves are worth as long as they
/// take at the least rate, and it begins with the grace. So a transfer that moves is never cut, however long it
/// takes, and one that only pretends to is. All times here are in milliseconds.
[<RequireQualifiedAccess>]
module ClientLimits =

    let defaults = {
        HeaderTimeout = TimeSpan.FromSeconds 15.0
        KeepAlive = TimeSpan.FromSeconds 130.0
        MinRate = 240L
        Grace = TimeSpan.FromSeconds 10.0
    }

    /// No rate is asked for.
    let any = { defaults with MinRate = 0L }

    /// What a client begins with; `idle` is what it may be still for in one go.
    let grace (limits: ClientLimits) (idle: int64) =
        if limits.MinRate = 0L then
            idle
        else
            int64 limits.Grace.TotalMilliseconds

    /// What is left of `left` when the client has been waited for `waited` and has moved so many bytes
    /// meanwhile; never more than `idle` or the grace, whichever is longer, and nothing from 0 down.
    let left (limits: ClientLimits) (idle: int64) (left: int64) (waited: int64) (moved: int64) =
        if limits.MinRate = 0L then
            if moved > 0L then idle else left - waited
        else
            let earned = float moved * 1000.0 / float limits.MinRate
            let most = max idle (grace limits idle)
            int64 (min (float most) (float (left - waited) + earned))
