module Conduit.Tests.BudgetTests

open System
open FsCheck
open Xunit
open Conduit

let private settings = Retry.defaults.Budget

let private after (milliseconds: int) now =
    now |> Instant.add (TimeSpan.FromMilliseconds(float milliseconds))

/// Steps of time with the requests that come in each and the further tries that are asked for: how many
/// are granted.
let private granted (steps: (int * int * int) list) =
    ((Budget.create settings, Instant.zero, 0L, 0), steps)
    ||> List.fold (fun (budget, now, requests, granted) (time, more, asked) ->
        let now = after time now
        let requests = requests + int64 more
        let budget = Budget.advance settings now requests budget

        let budget, taken =
            ((budget, 0), [ 1..asked ])
            ||> List.fold (fun (budget, taken) _ ->
                match Budget.take budget with
                | ValueSome budget -> budget, taken + 1
                | ValueNone -> budget, taken)

        budget, now, requests, granted + taken)
    |> fun (_, now, requests, granted) -> Instant.elapsed Instant.zero now, requests, granted

let private step (PositiveInt time, NonNegativeInt more, NonNegativeInt asked) =
    time * 10, more * 10, asked * 10

[<Fact>]
let ``whatever is asked for, no more is granted than a fifth of the requests and ten a second`` () =
    Property.check (fun (steps: (PositiveInt * NonNegativeInt * NonNegativeInt) list) ->
        let time, requests, granted = granted (List.map step steps)

        float granted
        <= settings.PerSecond * (1.0 + time.TotalSeconds) + 0.2 * float requests + 1e-6)

[<Fact>]
let ``when all of 20,000 requests fail at once, a fifth of them is tried again`` () =
    let _, _, granted = granted [ 1000, 20_000, 20_000 ]
    // What the second itself fades is little.
    Assert.InRange(granted, 3_800, 4_020)

[<Fact>]
let ``what was not used fades: a quiet hour leaves no more than ten seconds give`` () =
    let _, _, granted = granted [ 3_600_000, 0, 100_000 ]
    Assert.InRange(granted, 99, 100)

[<Fact>]
let ``no time and no requests give nothing`` () =
    Property.check (fun (PositiveInt time) ->
        let now = after time Instant.zero
        let budget = Budget.create settings |> Budget.advance settings now 5L
        Budget.advance settings now 5L budget = budget)

[<Fact>]
let ``a cell gives what the budget has, to however many threads`` () =
    let cell = BudgetCell()

    for _ in 1..100 do
        cell.Count()

    let taken =
        Array.Parallel.init 200 (fun _ -> cell.TryTake(settings, after 1 Instant.zero))
        |> Array.filter id
        |> Array.length

    // Ten from the beginning, and a fifth of a hundred.
    Assert.InRange(taken, 29, 30)
