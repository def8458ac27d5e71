namespace Conduit.Server

open System
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Conduit

/// Why a request is not taken, and what its client is told.
type Rejection = {
    Reason: RejectReason
    Text: string
    Answer: Answer
}

/// Whether a pool takes a request, before anything else is done for it.
[<RequireQualifiedAccess>]
module Admission =

    let private rejection reason text answer : Rejection voption =
        ValueSome {
            Reason = reason
            Text = text
            Answer = answer
        }

    let private keyOf (limit: RateLimit) (http: HttpContext) client =
        match limit.By with
        | LimitBy.Pool -> UInt128.Zero
        | LimitBy.Client -> Address.owner client
        | LimitBy.Header name ->
            match string http.Request.Headers[name] with
            | "" -> Address.owner client
            | value -> UInt128(StableHash.ofText 0UL (value.AsSpan()), StableHash.ofText 1UL (value.AsSpan()))

    let private overRate now (limiter: Limiter | null) http client : Rejection voption =
        match limiter with
        | null -> ValueNone
        | limiter when AddressSet.contains client limiter.Limit.Exempt -> ValueNone
        | limiter ->
            let ruling = limiter.Take(keyOf limiter.Limit http client, now)

            if ruling.Admitted then
                ValueNone
            else
                rejection
                    RejectReason.RateLimited
                    "over the rate limit"
                    (Answer.rateLimited limiter.Limit ruling.Wait)

    let private tooLarge = "a body that is too large"

    /// A body whose length is told is refused at once; one in chunks when it has become too long.
    let private overBody most (http: HttpContext) : Rejection voption =
        if most = 0L then
            ValueNone
        elif http.Request.ContentLength.HasValue then
            if http.Request.ContentLength.Value > most then
                rejection RejectReason.BodyTooLarge tooLarge Answer.bodyTooLarge
            else
                ValueNone
        else
            match http.Features.Get<IHttpMaxRequestBodySizeFeature>() with
            | NonNull feature when not feature.IsReadOnly -> feature.MaxRequestBodySize <- Nullable most
            | _ -> ()

            ValueNone

    let private asksForClient (settings: AdmissionSettings) =
        settings.RateLimit.IsSome
        || not (AddressSet.isEmpty settings.Allow && AddressSet.isEmpty settings.Deny)

    let private judge now (proxies: AddressSet) (http: HttpContext) (pool: PoolView) : Rejection voption =
        let settings = pool.Source.Settings.Admission

        let client =
            if asksForClient settings then
                ClientAddress.number proxies http
            else
                UInt128.Zero

        if not (AdmissionSettings.allows client settings) then
            rejection RejectReason.Denied "a client that may not" Answer.denied
        else
            match overBody settings.MaxBody http with
            | ValueSome _ as refused -> refused
            | ValueNone ->
                match overRate now pool.Limiter http client with
                | ValueSome _ as refused -> refused
                | ValueNone when settings.MaxInFlight > 0 && not (pool.Admitted.TryEnter settings.MaxInFlight) ->
                    rejection RejectReason.Busy "too many requests in flight" Answer.busy
                | ValueNone ->
                    if settings.MaxInFlight = 0 then
                        pool.Admitted.Enter()

                    ValueNone

    /// IMPURE: why the pool does not take the request, which is counted; nothing when it does, and then the
    /// request must leave it once.
    let enter now proxies http (pool: PoolView) : Rejection voption =
        match judge now proxies http pool with
        | ValueNone -> ValueNone
        | ValueSome refused ->
            pool.Rejections.Add refused.Reason
            ValueSome refused

    /// IMPURE: a request that was taken has ended.
    let leave (pool: PoolView) = pool.Admitted.Leave()
