module Conduit.Tests.OutcomeTests

open Xunit
open Conduit

[<Fact>]
let ``an answer is never held against the backend, whatever its status`` () =
    for status in 100..999 do
        Assert.False(Outcome.countsAgainstBackend (Outcome.Answered status), $"{status}")

[<Fact>]
let ``what the client does is never held against the backend`` () =
    Property.check (fun (reason: string) ->
        [
            Outcome.ClientGone
            Outcome.ClientInvalid reason
            Outcome.ClientStalled reason
        ]
        |> List.forall (Outcome.countsAgainstBackend >> not))

[<Fact>]
let ``what Conduit itself is short of is never held against the backend, and may be tried again`` () =
    let spent = {
        Idempotent = false
        BodySpent = false
        ResponseStarted = false
        TryTimeout = false
    }

    Property.check (fun (reason: string) ->
        let outcome = Outcome.Shortage reason

        not (Outcome.countsAgainstBackend outcome)
        && Outcome.evidence StatusSet.empty outcome = ValueNone
        && Retry.isSafe spent outcome
        && not (Retry.isSafe { spent with BodySpent = true } outcome))

[<Fact>]
let ``every failure on the backend's side is held against it`` () =
    Property.check (fun (reason: string) ->
        [
            Outcome.ConnectFailed reason
            Outcome.Reset reason
            Outcome.Garbled reason
            Outcome.TimedOut reason
            Outcome.Truncated reason
        ]
        |> List.forall Outcome.countsAgainstBackend)

[<Fact>]
let ``the description carries the reason and tells the kinds apart`` () =
    Property.check (fun (reason: string) ->
        let described =
            [
                Outcome.ClientInvalid
                Outcome.ConnectFailed
                Outcome.Reset
                Outcome.Garbled
                Outcome.TimedOut
                Outcome.Truncated
                Outcome.ClientStalled
                Outcome.Shortage
            ]
            |> List.map (fun kind -> Outcome.describe (kind reason))

        described |> List.forall (fun text -> text.EndsWith($": {reason}"))
        && (List.distinct described).Length = described.Length)

[<Fact>]
let ``an answer is described by its status`` () =
    Assert.Equal("answered 503", Outcome.describe (Outcome.Answered 503))
    Assert.Equal("the client left", Outcome.describe Outcome.ClientGone)
