namespace Conduit

/// How many results in a row turn a backend's health.
type Thresholds = {
    /// Passes that bring a backend back, at least 1.
    Rise: int
    /// Failures that take a backend out, at least 1.
    Fall: int
}

/// What is known of a backend's health.
[<RequireQualifiedAccess>]
type Health =
    /// No result yet. It gets traffic, and its first result decides.
    | Unproven
    /// Gets traffic; so many failures in a row so far.
    | Up of failures: int
    /// Gets none; so many passes in a row so far.
    | Down of passes: int

[<RequireQualifiedAccess>]
module Health =

    let isUp health =
        match health with
        | Health.Unproven
        | Health.Up _ -> true
        | Health.Down _ -> false

    /// The health after one more check passed or failed.
    let check thresholds passed health =
        match health, passed with
        | Health.Unproven, true -> Health.Up 0
        | Health.Unproven, false -> Health.Down 0
        | Health.Up _, true -> Health.Up 0
        | Health.Up failures, false when failures + 1 >= thresholds.Fall -> Health.Down 0
        | Health.Up failures, false -> Health.Up(failures + 1)
        | Health.Down passes, true when passes + 1 >= thresholds.Rise -> Health.Up 0
        | Health.Down passes, true -> Health.Down(passes + 1)
        | Health.Down _, false -> Health.Down 0

    /// The health after a request told something. Traffic takes a backend out by the same count as
    /// checks do, but only checks bring one back or decide on an unproven one: its first check is under
    /// way, and a single failed request may be the request's own fault.
    let traffic thresholds succeeded health =
        match health with
        | Health.Unproven
        | Health.Down _ -> health
        | Health.Up _ -> check thresholds succeeded health
