namespace Conduit

/// What an operator has said of a backend at run time.
[<RequireQualifiedAccess>]
type AdminState =
    | Ready
    /// Taken out for maintenance; its health is still checked.
    | NotReady
    /// On its way out: requests in flight finish, new ones go elsewhere.
    | Draining
    /// Not in use at all: neither traffic nor health checks. Its health stays the last that was known.
    | Disabled

/// A backend and all that is known of it: one immutable record.
type Backend = {
    Spec: BackendSpec
    /// Its place in the pool, which decides ties and the order of lists.
    Ordinal: int
    Admin: AdminState
    Health: Health
    /// Goes up with each turn of the health, so that late news of an earlier life can be told apart.
    Epoch: int
    /// When the backend last became available or unavailable.
    Since: Instant
    /// Why it last failed a check or a request.
    LastFailure: string option
}

[<RequireQualifiedAccess>]
module Backend =

    let create now ordinal spec = {
        Spec = spec
        Ordinal = ordinal
        Admin = AdminState.Ready
        Health = Health.Unproven
        Epoch = 0
        Since = now
        LastFailure = None
    }

    /// Whether new requests may go to it.
    let isAvailable backend =
        backend.Admin = AdminState.Ready && Health.isUp backend.Health

    /// Whether its health is checked.
    let isWatched backend = backend.Admin <> AdminState.Disabled

    /// The backend after a change, with the instant of it if it became available or unavailable by it.
    let private since now before after =
        if isAvailable before = isAvailable after then
            after
        else
            { after with Since = now }

    /// The backend with another health. A turn between up and down begins a new epoch.
    let withHealth now health backend =
        if health = backend.Health then
            backend
        elif Health.isUp health = Health.isUp backend.Health then
            { backend with Health = health }
        else
            since now backend {
                backend with
                    Health = health
                    Epoch = backend.Epoch + 1
            }

    let withAdmin now admin backend =
        if admin = backend.Admin then
            backend
        else
            since now backend { backend with Admin = admin }
