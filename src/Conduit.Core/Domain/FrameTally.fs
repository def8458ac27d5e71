namespace Conduit

open System

/// What a client does with frames of HTTP/2 that costs it little and others much.
[<RequireQualifiedAccess; Struct>]
type Flood =
    /// Requests that are taken back as soon as they are made (CVE-2023-44487).
    | RapidReset
    /// A header block in ever more pieces (CVE-2024-27983 and others).
    | Continuations
    /// Settings, each of which must be answered (CVE-2019-9515).
    | Settings
    /// Frames that carry nothing: pings, priorities, empty data, unknown ones (CVE-2019-9512, CVE-2019-9518).
    | Idle

/// What a client has sent on a connection since the time that is counted in began.
[<Struct; NoEquality; NoComparison>]
type FrameTally = {
    Since: Instant
    Opened: int
    Reset: int
    Settings: int
    Idle: int
    /// CONTINUATION frames of the last header block.
    Continued: int
}

/// The limits are far from what clients do that mean well: such have at most 100 streams open at a time, change
/// their settings a few times, and ping once in a round trip.
[<RequireQualifiedAccess>]
module FrameTally =

    /// What all but `Continued` is counted in.
    let time = TimeSpan.FromSeconds 10.0

    /// More streams than these, and more than half of those opened, may not be reset within `time`.
    let mostReset = 500

    /// Frames of settings within `time`.
    let mostSettings = 100

    /// Frames that carry nothing within `time`.
    let mostIdle = 50_000

    /// CONTINUATION frames of one header block.
    let mostContinued = 64

    /// That of a connection which begins.
    let start now = {
        Since = now
        Opened = 0
        Reset = 0
        Settings = 0
        Idle = 0
        Continued = 0
    }

    let private isSet (flag: byte) (flags: byte) = flags &&& flag <> 0uy

    /// Adds a frame of a type with its flags, and so many bytes long without its head (RFC 9113 section 6).
    let add (now: Instant) (kind: byte) (flags: byte) (length: int) (tally: FrameTally) : FrameTally =
        let tally =
            if Instant.elapsed tally.Since now < time then
                tally
            else
                {
                    start now with
                        Continued = tally.Continued
                }

        match kind with
        // DATA: empty, and not the end of its stream.
        | 0uy ->
            if length = 0 && not (isSet 0x1uy flags) then
                { tally with Idle = tally.Idle + 1 }
            else
                tally
        // HEADERS
        | 1uy -> {
            tally with
                Opened = tally.Opened + 1
                Continued = 0
          }
        // RST_STREAM
        | 3uy -> { tally with Reset = tally.Reset + 1 }
        // SETTINGS, but for the acknowledgement of ours.
        | 4uy when not (isSet 0x1uy flags) -> {
            tally with
                Settings = tally.Settings + 1
          }
        // WINDOW_UPDATE: as many as there are answers to be read.
        | 8uy -> tally
        // CONTINUATION
        | 9uy -> {
            tally with
                Continued = tally.Continued + 1
          }
        // PRIORITY, PING, GOAWAY, acknowledgements and what is unknown.
        | _ -> { tally with Idle = tally.Idle + 1 }

    /// What the connection must end for.
    let flood (tally: FrameTally) : Flood voption =
        if tally.Reset > mostReset && tally.Reset > tally.Opened / 2 then
            ValueSome Flood.RapidReset
        elif tally.Continued > mostContinued then
            ValueSome Flood.Continuations
        elif tally.Settings > mostSettings then
            ValueSome Flood.Settings
        elif tally.Idle > mostIdle then
            ValueSome Flood.Idle
        else
            ValueNone
