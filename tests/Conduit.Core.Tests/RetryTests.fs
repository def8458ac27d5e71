module Conduit.Tests.RetryTests

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
        }

        Retry.isSafe spent (Outcome.ConnectFailed reason)
        && Retry.isSafe spent (Outcome.Reset reason) = idempotent)

[<Fact>]
let ``nothing else is ever tried again`` () =
    Property.check (fun (spent: TrySpent) (outcome: Outcome) ->
        match outcome with
        | Outcome.ConnectFailed _
        | Outcome.Reset _ -> true
        | _ -> not (Retry.isSafe spent outcome))

[<Fact>]
let ``only what counts against a backend is tried on another`` () =
    Property.check (fun (spent: TrySpent) (outcome: Outcome) ->
        not (Retry.isSafe spent outcome) || Outcome.countsAgainstBackend outcome)

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
