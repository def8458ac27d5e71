module Conduit.Tests.SmoothCycleTests

open FsCheck
open Xunit
open Conduit

let rec private gcd a b = if b = 0 then a else gcd b (a % b)

/// nginx' smooth weighted round robin as it is told: add to each its weight, take the first of the
/// largest, subtract the total from it.
let private reference steps (weights: int[]) =
    let total = Array.sum weights
    let current = Array.zeroCreate<int> weights.Length

    Array.init steps (fun _ ->
        weights |> Array.iteri (fun i weight -> current[i] <- current[i] + weight)
        let best = current |> Array.findIndex ((=) (Array.max current))
        current[best] <- current[best] - total
        best)

let private count index cycle =
    cycle |> Array.filter ((=) index) |> Array.length

/// The most turns in a row that go to one index, over the cycle's end too.
let private longestRun (cycle: int[]) =
    (struct (0, 0, -1), Array.append cycle cycle)
    ||> Array.fold (fun (struct (longest, run, last)) index ->
        let run = if index = last then run + 1 else 1
        struct (max longest run, run, index))
    |> fun (struct (longest, _, _)) -> min longest cycle.Length

/// At least one weight, with what they have in common.
let private given (first: Weight) (rest: Weight list) =
    let weights = first :: rest |> List.map Weight.value |> List.toArray
    weights, Array.reduce gcd weights

[<Fact>]
let ``a cycle is as long as the sum of the weights divided by what they have in common`` () =
    Property.check (fun first rest ->
        let weights, common = given first rest
        (SmoothCycle.ofWeights weights).Length = Array.sum weights / common)

[<Fact>]
let ``the shares are exact over one cycle`` () =
    Property.check (fun first rest ->
        let weights, common = given first rest
        let cycle = SmoothCycle.ofWeights weights

        weights
        |> Array.indexed
        |> Array.forall (fun (index, weight) -> count index cycle = weight / common))

[<Fact>]
let ``the cycle is nginx' own`` () =
    Property.check (fun first rest ->
        let weights, common = given first rest
        SmoothCycle.ofWeights weights = reference (Array.sum weights / common) weights)

[<Fact>]
let ``no backend gets more turns in a row than nginx gives it`` () =
    Property.check (fun first rest ->
        let weights, common = given first rest

        longestRun (SmoothCycle.ofWeights weights)
        <= longestRun (reference (Array.sum weights / common) weights))

[<Fact>]
let ``a multiple of the weights makes the same cycle`` () =
    Property.check (fun (first: byte) (rest: byte list) (PositiveInt factor) ->
        let weights =
            first :: rest |> List.map (fun each -> int each % 16 + 1) |> List.toArray

        SmoothCycle.ofWeights weights = SmoothCycle.ofWeights (Array.map ((*) factor) weights))

[<Fact>]
let ``no weights make no cycle`` () =
    Assert.Empty(SmoothCycle.ofWeights [||])

[<Fact>]
let ``the example of nginx`` () =
    Assert.Equal<int[]>([| 0; 0; 1; 0; 2; 0; 0 |], SmoothCycle.ofWeights [| 5; 1; 1 |])
