module Conduit.Tests.HealthTests

open FsCheck
open Xunit
open Conduit

let private checks thresholds results health =
    results
    |> List.fold (fun health passed -> Health.check thresholds passed health) health

let private traffic thresholds results health =
    results
    |> List.fold (fun health succeeded -> Health.traffic thresholds succeeded health) health

[<Fact>]
let ``a backend that is up goes down after exactly fall failures in a row`` () =
    Property.check (fun (thresholds: Thresholds) ->
        let after failures =
            checks thresholds (List.replicate failures false) (Health.Up 0)

        Health.isUp (after (thresholds.Fall - 1))
        && after thresholds.Fall = Health.Down 0)

[<Fact>]
let ``a backend that is down comes up after exactly rise passes in a row`` () =
    Property.check (fun (thresholds: Thresholds) ->
        let after passes =
            checks thresholds (List.replicate passes true) (Health.Down 0)

        not (Health.isUp (after (thresholds.Rise - 1)))
        && after thresholds.Rise = Health.Up 0)

[<Fact>]
let ``the first check decides, and later ones flip it only by a whole run against it`` () =
    Property.check (fun (thresholds: Thresholds) (first: bool) (results: bool list) ->
        // The model: whether it is up, and how many results in a row spoke against that.
        let model (up, against) passed =
            let needed = if up then thresholds.Fall else thresholds.Rise

            if passed = up then up, 0
            elif against + 1 = needed then not up, 0
            else up, against + 1

        let expected = results |> List.scan model (first, 0) |> List.map fst

        let actual =
            results
            |> List.scan
                (fun health passed -> Health.check thresholds passed health)
                (Health.check thresholds first Health.Unproven)
            |> List.map Health.isUp

        expected = actual)

[<Fact>]
let ``one result the other way starts the count anew`` () =
    Property.check (fun (thresholds: Thresholds) ->
        let almostDown = List.replicate (thresholds.Fall - 1) false
        let almostUp = List.replicate (thresholds.Rise - 1) true

        Health.isUp (checks thresholds (almostDown @ [ true ] @ almostDown) (Health.Up 0))
        && (thresholds.Rise = 1
            || not (Health.isUp (checks thresholds (almostUp @ [ false ] @ almostUp) (Health.Down 0)))))

[<Fact>]
let ``traffic takes a backend out after exactly fall failures in a row`` () =
    Property.check (fun (thresholds: Thresholds) ->
        let after failures =
            traffic thresholds (List.replicate failures false) (Health.Up 0)

        Health.isUp (after (thresholds.Fall - 1))
        && not (Health.isUp (after thresholds.Fall)))

[<Fact>]
let ``traffic never changes a backend that is down`` () =
    Property.check (fun (thresholds: Thresholds) (NonNegativeInt passes) (results: bool list) ->
        traffic thresholds results (Health.Down passes) = Health.Down passes)

[<Fact>]
let ``traffic decides nothing on an unproven backend: its first check does`` () =
    Property.check (fun (thresholds: Thresholds) (results: bool list) ->
        traffic thresholds results Health.Unproven = Health.Unproven)

[<Fact>]
let ``successful traffic ends a streak of failures`` () =
    Property.check (fun (thresholds: Thresholds) (NonNegativeInt failures) ->
        Health.traffic thresholds true (Health.Up failures) = Health.Up 0)

[<Fact>]
let ``failures of checks and of traffic are counted together`` () =
    Property.check (fun (thresholds: Thresholds) (kinds: bool list) ->
        let fail health isCheck =
            if isCheck then
                Health.check thresholds false health
            else
                Health.traffic thresholds false health

        let after = List.fold fail (Health.Up 0) kinds
        Health.isUp after = (kinds.Length < thresholds.Fall))
