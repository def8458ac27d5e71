namespace Conduit.Server

open System
open System.Net.Http.Headers
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Conduit

[<RequireQualifiedAccess>]
module Retrying =

    let private timeLeft (tries: Tries) =
        match tries.Settings.TotalTimeout with
        | Some total -> total - Instant.elapsed tries.Begun (tries.Now())
        | None -> TimeSpan.MaxValue

    /// The timeouts of the next try.
    let timeouts (tries: Tries) (timeouts: Timeouts) : Timeouts =
        match tries.Settings.TryTimeout, tries.Settings.TotalTimeout with
        | None, None -> timeouts
        | tryTimeout, _ ->
            let most =
                tryTimeout |> Option.defaultValue TimeSpan.MaxValue |> min (timeLeft tries)

            {
                timeouts with
                    Response = timeouts.Response |> min most |> max (TimeSpan.FromMilliseconds 1.0)
            }

    let private isAllowed (tries: Tries) =
        tries.Done < tries.Settings.Most
        && timeLeft tries > TimeSpan.Zero
        && tries.Budget.TryTake(tries.Settings.Budget, tries.Now())

    /// Whether a failed try may be followed by another, which is then taken out of the budget. A try that was
    /// declined has been paid for already.
    let mayFollow (tries: Tries) (spent: TrySpent) (outcome: Outcome) =
        Retry.isSafe spent outcome
        && (match outcome with
            | Outcome.Declined _ -> true
            | _ -> isAllowed tries)

    /// What a try has used up.
    let spent (tries: Tries) (exchange: Exchange) (result: TryResult) : TrySpent = {
        Idempotent = Retry.isIdempotent exchange.Http.Request.Method
        BodySpent = result.BodySpent && isNull exchange.KeptBody
        ResponseStarted = exchange.Http.Response.HasStarted
        TryTimeout = tries.Settings.TryTimeout.IsSome && not exchange.IsOverdue
    }

    /// How long the backend asks to be left alone; nothing where it does not, or not in a way that is understood.
    let private wanted (retryAfter: string) =
        match RetryConditionHeaderValue.TryParse retryAfter with
        | true, NonNull value when value.Delta.HasValue -> ValueSome value.Delta.Value
        | true, NonNull value when value.Date.HasValue -> ValueSome(value.Date.Value - DateTimeOffset.UtcNow)
        | _ -> ValueNone

    /// The pause before the next try. None before one that can go elsewhere after a failed connection: there
    /// is nothing to wait for.
    let private pause (tries: Tries) outcome goesElsewhere (retryAfter: TimeSpan) : TimeSpan =
        match outcome with
        | Outcome.ConnectFailed _ when goesElsewhere -> TimeSpan.Zero
        | _ ->
            Retry.pause tries.Settings.BackOff (Random.Shared.NextDouble()) tries.Done
            |> max retryAfter
            |> min (max TimeSpan.Zero (timeLeft tries))

    /// For no longer than the request has left, nor than its client is there.
    let private wait (exchange: Exchange) (pause: TimeSpan) : Task = task {
        // The try before may have left a token that is cancelled.
        exchange.Renew()

        try
            do! Task.Delay(min pause exchange.TimeLeft, exchange.Token)
        with :? OperationCanceledException ->
            ()
    }

    /// Clears what the last try has left, and waits for the next one's time.
    let prepare
        (tries: Tries)
        (exchange: Exchange)
        (pool: PoolView)
        (tried: Gauge list)
        (target: Target)
        outcome
        : Task =
        exchange.Http.Response.Clear()

        match exchange.KeptBody with
        | null -> ()
        | body ->
            body.Rewind()
            exchange.Record.Received <- 0L

        let goesElsewhere =
            pool.Available
            |> Array.exists (fun other ->
                not (obj.ReferenceEquals(other.Gauge, target.Gauge) || Balancer.wasTried tried other))

        let pause = pause tries outcome goesElsewhere exchange.RetryAfter
        exchange.RetryAfter <- TimeSpan.Zero

        if pause > TimeSpan.Zero then
            wait exchange pause
        else
            Task.CompletedTask

    /// Whether an answer is to be tried again, and how long the backend wants to be left alone before.
    /// One that asks for more than the longest pause is left to the client, with what it asks for.
    let private decline (tries: Tries) status (retryAfter: string | null) : TimeSpan voption =
        if not (StatusSet.contains status tries.Settings.Statuses) then
            ValueNone
        else
            let pause =
                match retryAfter with
                | null -> ValueSome TimeSpan.Zero
                | text ->
                    match wanted text with
                    | ValueSome pause when pause > tries.Settings.BackOff.Longest -> ValueNone
                    | ValueSome pause -> ValueSome(max TimeSpan.Zero pause)
                    | ValueNone -> ValueSome TimeSpan.Zero

            if pause.IsSome && isAllowed tries then pause else ValueNone

    /// What decides on answers of the next try, where the policy has statuses that are tried again.
    let answers (tries: Tries) (request: HttpRequest) : DeclineAnswer | null =
        if
            StatusSet.isEmpty tries.Settings.Statuses
            || not (Retry.isIdempotent request.Method)
        then
            null
        else
            DeclineAnswer(fun status retryAfter -> decline tries status retryAfter)
