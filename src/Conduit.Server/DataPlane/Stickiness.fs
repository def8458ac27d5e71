namespace Conduit.Server

open System
open System.Runtime.CompilerServices
open System.Text
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Microsoft.Extensions.Primitives
open Conduit

/// IMPURE: the cookie that a response is to set. It is known only when the last try has been made.
[<Sealed; AllowNullLiteral>]
type private PendingCookie(response: HttpResponse) =

    /// The whole value of the header field; empty for none.
    member val Text = "" with get, set

    member this.Write() : Task =
        if this.Text <> "" then
            response.Headers.Append("Set-Cookie", StringValues this.Text)

        Task.CompletedTask

/// Keeping clients with their backends.
[<RequireQualifiedAccess>]
module Stickiness =

    /// By the pools' own records of their settings, so that keys are derived once for each configuration.
    let private keys = ConditionalWeakTable<StickySettings, SessionKeys>()

    let private keysOf (settings: StickySettings) pool =
        match keys.TryGetValue settings with
        | true, found -> found
        | _ ->
            let secret =
                match settings.Key with
                | Some key -> Encoding.UTF8.GetBytes(key.Reveal())
                | None -> SessionKeys.Own

            keys.GetValue(settings, fun _ -> SessionKeys(secret, pool))

    let private seconds () =
        DateTimeOffset.UtcNow.ToUnixTimeSeconds()

    let private ticket (settings: StickySettings) name (pool: PoolView) (http: HttpContext) =
        let value = Cookies.find name http.Request.Headers.Cookie

        if value.IsEmpty then
            ValueNone
        else
            SessionCookie.read (keysOf settings pool.Source.Name) value

    /// The target of the client's session; nothing when there is none, or it is over, or its backend is gone.
    let private find now proxies (http: HttpContext) (pool: PoolView) : Target voption =
        match pool.Source.Settings.Sticky with
        | None -> ValueNone
        | Some { By = StickyBy.Client } ->
            match pool.Sessions with
            | null -> ValueNone
            | sessions ->
                match sessions.Find(ClientAddress.number proxies http, now) with
                | ValueNone -> ValueNone
                | ValueSome id ->
                    match pool.ById.TryGetValue id with
                    | true, target -> ValueSome target
                    | _ -> ValueNone
        | Some({ By = StickyBy.Cookie name } as settings) ->
            match ticket settings name pool http with
            | ValueSome ticket when ticket.Expiry > seconds () ->
                (keysOf settings pool.Source.Name).Find(ticket.Tag, pool)
            | _ -> ValueNone

    let private pendingKey = obj ()

    let private pending (http: HttpContext) =
        match http.Items.TryGetValue pendingKey with
        | true, (:? PendingCookie as found) -> found
        | _ ->
            let made = PendingCookie http.Response
            http.Items[pendingKey] <- made
            http.Response.OnStarting(fun () -> made.Write())
            made

    /// Whether the client came by TLS, as it seems to us or as one says who is trusted.
    let private isSecure trust (http: HttpContext) =
        http.Request.IsHttps
        || (trust && string http.Request.Headers["X-Forwarded-Proto"] = "https")

    let private setCookie
        (settings: StickySettings)
        name
        trust
        (http: HttpContext)
        (pool: PoolView)
        (target: Target)
        =
        let keys = keysOf settings pool.Source.Name
        let lifetime = int64 settings.Timeout.TotalSeconds

        let value =
            SessionCookie.write keys {
                Expiry = seconds () + lifetime
                Tag = keys.TagOf target.Backend.Spec.Id
            }

        let secure = if isSecure trust http then "; Secure" else ""

        (pending http).Text <- $"{name}={value}; Path=/; Max-Age={lifetime}; HttpOnly; SameSite=Lax{secure}"

    /// Whether half of a session's time is over, so that it is given all of it anew.
    let private isHalfOver (settings: StickySettings) name pool http =
        match ticket settings name pool http with
        | ValueSome ticket -> 2L * (ticket.Expiry - seconds ()) < int64 settings.Timeout.TotalSeconds
        | ValueNone -> true

    /// Makes the client's session one with this target, unless it is one already: `held` is what it was found to
    /// be with.
    let private keep
        now
        proxies
        trust
        (http: HttpContext)
        (pool: PoolView)
        (held: Target voption)
        (target: Target)
        =
        let isHeld =
            match held with
            | ValueSome held -> obj.ReferenceEquals(held.Gauge, target.Gauge)
            | ValueNone -> false

        match pool.Source.Settings.Sticky with
        | None -> ()
        | Some { By = StickyBy.Client } ->
            match pool.Sessions with
            | NonNull sessions when not isHeld ->
                sessions.Begin(ClientAddress.number proxies http, target.Backend.Spec.Id, now)
            | _ -> ()
        | Some({ By = StickyBy.Cookie name } as settings) ->
            if not isHeld || isHalfOver settings name pool http then
                setCookie settings name trust http pool target

    /// Lets the client's cookie be what it was: the answer comes from no backend.
    let forget (http: HttpContext) =
        match http.Items.TryGetValue pendingKey with
        | true, (:? PendingCookie as found) -> found.Text <- ""
        | _ -> ()

    /// A place on the target of the client's session, or where it has none that will do, on the one that the
    /// pool's strategy chooses. The session is with that one then, unless its own target merely has no room: it stays
    /// where it is, and only this request goes elsewhere. A request that is tried again goes elsewhere.
    let take (demand: Demand) proxies trust (http: HttpContext) (pool: PoolView) : Target voption =
        match pool.Source.Settings.Sticky with
        | None -> Lease.take demand pool
        | Some _ ->
            let held = find demand.Now proxies http pool

            let stays =
                match held with
                | ValueSome target ->
                    not (Gauge.isAmong demand.Tried target.Gauge)
                    && Backend.keepsSessions target.Backend
                | ValueNone -> false

            let isUsable = stays && Lease.hold held.Value
            let taken = if isUsable then held else Lease.take demand pool

            match taken with
            | ValueSome target ->
                keep demand.Now proxies trust http pool held (if stays then held.Value else target)
            | ValueNone -> ()

            taken
