namespace Conduit

open System

/// By what a client is known again.
[<RequireQualifiedAccess>]
type StickyBy =
    /// By its address, in a table of this process.
    | Client
    /// By a signed cookie of this name, which any process with the key understands.
    | Cookie of name: string

/// Keeping clients with their backends.
type StickySettings = {
    By: StickyBy
    /// How long a session lasts after it was last used, give or take a half for cookies.
    Timeout: TimeSpan
    /// Sessions by address that are kept, 1 to 16,777,216.
    MaxSessions: int
    /// What cookies are signed with; without one, a key of this process' own.
    Key: Secret option
    /// What files of an existing system say. Nothing depends on it: sessions that are over leave by themselves.
    CleanupInterval: TimeSpan option
}
