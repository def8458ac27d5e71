namespace Conduit.Server

open System
open System.Diagnostics
open Conduit

/// The account of a request: what is noted while it is served, and what is counted when it is over.
[<RequireQualifiedAccess>]
module Account =

    /// What a request counts as that was cut off before it was answered.
    let private cutOff = 499

    /// Notes how a try ended.
    let tried (exchange: Exchange) (target: Target) (outcome: Outcome) =
        let record = exchange.Record
        record.Tries <- record.Tries + 1
        record.Target <- ValueSome target
        target.Gauge.Counters.Tried outcome

    /// Notes that another try follows.
    let retried (target: Target) = target.Gauge.Counters.Retried.Add 1L

    /// Cuts the client's connection.
    let cut (exchange: Exchange) =
        exchange.Record.IsCut <- true
        exchange.Http.Abort()

    /// What the client was answered; 499 where it was not.
    let status (exchange: Exchange) =
        let response = exchange.Http.Response

        if exchange.Record.IsCut && not response.HasStarted then
            cutOff
        else
            response.StatusCode

    /// Counts a request that is over, at the backend that was tried last, or in `unserved`.
    let count (unserved: Counters) (exchange: Exchange) =
        let record = exchange.Record

        let counters =
            match record.Target with
            | ValueSome target -> target.Gauge.Counters
            | ValueNone -> unserved

        let status = status exchange
        counters.Requests.Count(exchange.Http.Request.Method, status)

        if not record.IsTunnel then
            counters.Duration.Record(Stopwatch.GetElapsedTime record.Began)

        if record.HeadAt <> 0L then
            counters.FirstByte.Record(Stopwatch.GetElapsedTime(record.Began, record.HeadAt))

        counters.Received.Add record.Received
        counters.Sent.Add record.Sent
