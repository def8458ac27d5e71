module Conduit.Tests.RetryTests

open FsCheck
open Xunit
open Conduit

[<Fact>]
let ``nothing is tried again once the body is spent or the client has seen a byte`` () =
    Property.check (fun (spent: TrySpent) (outcome: Outcome) ->
        not (Retry.isSafe { spent with BodySpent = true } outcome)
        && not (Retry.isSafe { spent with ResponseStarted = true } outcome))

[<Fact>]
let ``a connect failure is tried again for any method, a lost connection for idempotent ones`` () =
    Property.check (fun idempotent (reason: string) ->
        let spent = {
            Idempotent = idempotent
            BodySpent = false
            ResponseStarted = false
            TryTimeout = false
        }

        Retry.isSafe spent (Outcome.ConnectFailed reason)
        && Retry.isSafe spent (Outcome.Reset reason) = idempotent
        && Retry.isSafe spent (Outcome.Declined 503) = idempotent)

[<Fact>]
let ``a timeout is tried again only where tries have one of their own, and for idempotent methods`` () =
    Property.check (fun (spent: TrySpent) (reason: string) ->
        Retry.isSafe spent (Outcome.TimedOut reason) =
            (spent.Idempotent
             && spent.TryTimeout
             && not spent.BodySpent
             && not spent.ResponseStarted))

[<Fact>]
let ``pauses grow up to the longest, and chance takes no more than its part`` () =
    Property.check (fun (NonNegativeInt before) (NonNegativeInt part) (NonNegativeInt drawn) ->
        let chance = float (drawn % 1000) / 1000.0

        let backOff = {
            Retry.defaults.BackOff with
                Randomization = float (part % 101) / 100.0
        }

        let full = Retry.pause backOff 0.0 before
        let pause = Retry.pause backOff chance before

        full <= backOff.Longest
        && full <= Retry.pause backOff 0.0 (before + 1)
        && pause <= full
        && pause >= full * (1.0 - backOff.Randomization) - System.TimeSpan.FromTicks 1L)

[<Fact>]
let ``with full jitter a pause may be nothing at all, without any it is exact`` () =
    let pause randomization chance =
        Retry.pause
            {
                Retry.defaults.BackOff with
                    Randomization = randomization
            }
            chance
            2

    Assert.Equal(System.TimeSpan.FromMilliseconds 100.0, pause 0.0 0.7)
    Assert.Equal(System.TimeSpan.Zero, pause 1.0 1.0)

[<Fact>]
let ``nothing else is ever tried again`` () =
    Property.check (fun (spent: TrySpent) (outcome: Outcome) ->
        match outcome with
        | Outcome.ConnectFailed _
        | Outcome.Shortage _
        | Outcome.Declined _
        | Outcome.TimedOut _
        | Outcome.Reset _ -> true
        | _ -> not (Retry.isSafe spent outcome))

[<Fact>]
let ``only what counts against a backend, was declined or never got to it is tried on another`` () =
    Property.check (fun (spent: TrySpent) (outcome: Outcome) ->
        not (Retry.isSafe spent outcome)
        || outcome.IsDeclined
        || outcome.IsShortage
        || Outcome.countsAgainstBackend outcome)

[<Theory>]
[<InlineData("GET", true)>]
[<InlineData("HEAD", true)>]
[<InlineData("OPTIONS", true)>]
[<InlineData("TRACE", true)>]
[<InlineData("PUT", true)>]
[<InlineData("DELETE", true)>]
[<InlineData("POST", false)>]
[<InlineData("PATCH", false)>]
[<InlineData("CONNECT", false)>]
[<InlineData("PROPFIND", false)>]
[<InlineData("get", false)>]
[<InlineData("", false)>]
let ``is idempotent`` (method: string, expected: bool) =
    Assert.Equal(expected, Retry.isIdempotent method)
