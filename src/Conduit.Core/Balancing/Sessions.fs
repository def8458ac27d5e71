namespace Conduit

open System

/// IMPURE: which backend a client has, in a table of fixed size. A session that is not used for the timeout is
/// over; when there are too many, those give way that were not used for the longest time.
[<Sealed>]
type Sessions private (settings: StickySettings, table: KeyTable<BackendId>) =

    let ticks (now: Instant) =
        (Instant.elapsed Instant.zero now).Ticks

    new(settings: StickySettings, seed: uint64) =
        Sessions(settings, KeyTable<BackendId>(settings.MaxSessions, seed))

    member _.Settings = settings

    /// The same sessions, each with another timeout from its next use on.
    member _.With(settings: StickySettings) = Sessions(settings, table)

    /// The backend of a client, whose session goes on with that.
    member _.Find(client: UInt128, now: Instant) : BackendId voption =
        let place = table.Enter client

        try
            let entry = &table.Entries[place]

            if entry.Until <= ticks now then
                entry.Until <- Int64.MinValue
                ValueNone
            else
                entry.Until <- ticks now + settings.Timeout.Ticks
                ValueSome entry.Value
        finally
            table.Leave place

    /// Begins a session, in the place of one that there may be.
    member _.Begin(client: UInt128, backend: BackendId, now: Instant) =
        let place = table.Enter client

        try
            let entry = &table.Entries[place]
            entry.Value <- backend
            entry.Until <- ticks now + settings.Timeout.Ticks
        finally
            table.Leave place
