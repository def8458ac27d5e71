namespace Conduit

open System

/// What has a bucket of its own.
[<RequireQualifiedAccess>]
type LimitBy =
    /// Each client by its address, of IPv6 by its /64.
    | Client
    /// Each value of a header; requests without it by their address.
    | Header of name: string
    /// The pool as a whole.
    | Pool

[<RequireQualifiedAccess>]
module LimitBy =

    /// As operators write it: `ip`, `header:NAME` or `pool`.
    let format by =
        match by with
        | LimitBy.Client -> "ip"
        | LimitBy.Header name -> $"header:{name}"
        | LimitBy.Pool -> "pool"

    let parse where (text: string) : Result<LimitBy, Fault> =
        match text.Trim().Split(':', 2) with
        | [| "ip" |] -> Ok LimitBy.Client
        | [| "pool" |] -> Ok LimitBy.Pool
        | [| "header"; name |] when Token.is name -> Ok(LimitBy.Header name)
        | _ ->
            Error(
                Fault.create
                    where
                    $"{Fault.quote text} is nothing that clients are told apart by"
                    "use ip, header:NAME or pool"
            )

type RateLimit = {
    Rate: Rate
    /// What may come at once, 1 to 1,000,000.
    Burst: int
    By: LimitBy
    /// Clients that are not limited.
    Exempt: AddressSet
    /// Buckets that are kept, 1,024 to 16,777,216.
    MaxKeys: int
}

/// Which requests a pool takes.
type AdmissionSettings = {
    /// Clients that may use it; all when it is empty.
    Allow: AddressSet
    /// Clients that may not.
    Deny: AddressSet
    RateLimit: RateLimit option
    /// Requests in flight at once; 0 for no limit.
    MaxInFlight: int
    /// Bytes of a request's body; 0 for no limit.
    MaxBody: int64
}

/// Why a request was not taken.
type RejectReason =
    /// Its client is denied, or not among those allowed.
    | Denied = 0
    | RateLimited = 1
    /// As many are in flight as may be.
    | Busy = 2
    | BodyTooLarge = 3
    /// Its pool's backends are at their limits, and as many wait as may.
    | QueueFull = 4
    /// It has waited as long as it may.
    | QueueTimeout = 5
    /// Its first line is too long.
    | LineTooLong = 6
    /// Its header fields are too large or too many.
    | HeadTooLarge = 7
    /// Its head did not come in time.
    | HeadTooSlow = 8
    /// It is none that HTTP knows.
    | Malformed = 9

[<RequireQualifiedAccess>]
module AdmissionSettings =

    let everyone = {
        Allow = AddressSet.empty
        Deny = AddressSet.empty
        RateLimit = None
        MaxInFlight = 0
        MaxBody = 0L
    }

    /// Whether a client may use the pool.
    let allows (client: UInt128) settings =
        (AddressSet.isEmpty settings.Allow || AddressSet.contains client settings.Allow)
        && not (AddressSet.contains client settings.Deny)
