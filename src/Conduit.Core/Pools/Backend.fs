namespace Conduit

open System

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
    Breaker: Breaker
    /// Goes up with each turn of the health or the breaker, so that late news of an earlier life can be
    /// told apart.
    Epoch: int
    /// When the backend last became available or unavailable.
    Since: Instant
    /// The tenths of its weight that count, 1 to 10: all of them but for one that came back or joined lately,
    /// where the pool has a slow start.
    Tenths: int
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
        Breaker = Breaker.initial
        Epoch = 0
        Since = now
        Tenths = 10
        LastFailure = None
    }

    /// Whether new requests may go to it; to one whose breaker is half-open only as trials.
    let isAvailable backend =
        backend.Admin = AdminState.Ready
        && Health.isUp backend.Health
        && not (Breaker.isOpen backend.Breaker)

    /// Whether it has a share of new requests while it is available.
    let hasShare backend = Weight.value backend.Spec.Weight > 0

    /// Whether it serves the sessions that it has: also while it drains.
    let keepsSessions backend =
        (backend.Admin = AdminState.Ready || backend.Admin = AdminState.Draining)
        && Health.isUp backend.Health
        && not (Breaker.isOpen backend.Breaker)

    /// Whether its health is checked.
    let isWatched backend = backend.Admin <> AdminState.Disabled

    /// The backend after a change, with the instant of it if it became available or unavailable by it.
    let private since now before after =
        if isAvailable before = isAvailable after then
            after
        else
            { after with Since = now }

    /// The backend with another breaker. A turn of it begins a new epoch.
    let withBreaker now breaker backend =
        if breaker = backend.Breaker then
            backend
        elif Breaker.isTurn backend.Breaker breaker then
            since now backend {
                backend with
                    Breaker = breaker
                    Epoch = backend.Epoch + 1
            }
        else
            { backend with Breaker = breaker }

    /// The backend with another health. A turn between up and down begins a new epoch, and one that comes
    /// back comes with a closed breaker.
    let withHealth now health backend =
        if health = backend.Health then
            backend
        elif Health.isUp health = Health.isUp backend.Health then
            { backend with Health = health }
        else
            since now backend {
                backend with
                    Health = health
                    Breaker = Breaker.initial
                    Epoch = backend.Epoch + 1
            }

    let withAdmin now admin backend =
        if admin = backend.Admin then
            backend
        else
            since now backend { backend with Admin = admin }

    let private noteFailure (failure: string option) backend =
        match failure with
        | Some _ when failure <> backend.LastFailure -> { backend with LastFailure = failure }
        | _ -> backend

    /// The backend after a health check passed (None) or failed for a reason.
    let check now (settings: PoolSettings) (failure: string option) backend =
        backend
        |> withHealth now (Health.check settings.Check.Thresholds failure.IsNone backend.Health)
        |> noteFailure failure

    let private describe evidence =
        match evidence with
        | Evidence.Passed -> None
        | Evidence.Refused status -> Some $"answered {status}"
        | Evidence.Failed reason -> Some reason

    let private judge now (settings: PoolSettings) evidence backend =
        match settings.Breaker with
        | Some breaker when Health.isUp backend.Health ->
            backend
            |> withBreaker now (Breaker.result breaker now (evidence = Evidence.Passed) backend.Breaker)
        | _ -> backend

    /// The backend after a request told something of it in that epoch; of another epoch it tells nothing.
    let traffic now (settings: PoolSettings) epoch evidence backend =
        if backend.Epoch <> epoch then
            backend
        else
            let answered =
                match evidence with
                | Evidence.Passed
                | Evidence.Refused _ -> true
                | Evidence.Failed _ -> false

            backend
            |> withHealth now (Health.traffic settings.Check.Thresholds answered backend.Health)
            |> judge now settings evidence
            |> noteFailure (describe evidence)

    let private withTenths tenths backend =
        if tenths = backend.Tenths then
            backend
        else
            { backend with Tenths = tenths }

    /// A backend that begins to get traffic: with a tenth of its weight where there is a slow start.
    let start (settings: PoolSettings) backend =
        backend |> withTenths (if settings.SlowStart > TimeSpan.Zero then 1 else 10)

    /// A backend that gets all of its share at once.
    let settle backend = withTenths 10 backend

    /// The backend, which was another before: it starts if it became available.
    let restart settings before backend =
        if isAvailable backend && not (isAvailable before) then
            start settings backend
        else
            backend

    /// A tenth more with each tenth of the slow start that has gone by.
    let private rise now (settings: PoolSettings) backend =
        if backend.Tenths = 10 then
            backend
        elif settings.SlowStart = TimeSpan.Zero then
            withTenths 10 backend
        else
            let share = Instant.elapsed backend.Since now / settings.SlowStart
            backend |> withTenths (min 10 (max backend.Tenths (int (10.0 * share))))

    /// The backend as time has gone by, and as other settings judge it.
    let tick now (settings: PoolSettings) backend =
        match settings.Breaker with
        | Some breaker -> backend |> withBreaker now (Breaker.tick breaker now backend.Breaker)
        | None -> backend |> withBreaker now Breaker.initial
        |> restart settings backend
        |> rise now settings

    /// When time alone will change it.
    let due (settings: PoolSettings) backend =
        Breaker.due backend.Breaker
        |> Instant.first (
            if backend.Tenths = 10 || not (isAvailable backend) then
                ValueNone
            else
                ValueSome(
                    Instant.add (settings.SlowStart * (float (backend.Tenths + 1) / 10.0)) backend.Since
                )
        )
