module Conduit.Tests.AliasTableTests

open Xunit
open Conduit

let private bits (high: uint64) (low: uint64) = (high <<< 32) ||| low

/// The exact chance of each index. Within a column the index changes at most once as the low bits go
/// up, so halving finds where.
let private chances count table =
    let chances = Array.zeroCreate<float> count
    let column = 1.0 / float count

    for c in 0 .. count - 1 do
        let high = (uint64 c * 4294967296UL + uint64 count - 1UL) / uint64 count
        let at low = AliasTable.draw (bits high low) table
        let own, other = at 0UL, at 0xFFFFFFFFUL

        let rec firstOther below above =
            if above - below <= 1UL then
                above
            else
                let middle = (below + above) / 2UL

                if at middle = own then
                    firstOther middle above
                else
                    firstOther below middle

        let share =
            if own = other then
                1.0
            else
                float (firstOther 0UL 0xFFFFFFFFUL) / 4294967296.0

        chances[own] <- chances[own] + column * share
        chances[other] <- chances[other] + column * (1.0 - share)

    chances

[<Fact>]
let ``the chance of each index is its weight's share`` () =
    Property.check (fun (first: Weight) (rest: Weight list) ->
        let weights = first :: rest |> List.map Weight.value |> List.toArray
        let total = float (Array.sum weights)

        (weights, chances weights.Length (AliasTable.ofWeights weights))
        ||> Array.forall2 (fun weight chance -> abs (chance - float weight / total) < 1e-8))

[<Fact>]
let ``whatever the bits, the index is one of the table's`` () =
    Property.check (fun (first: Weight) (rest: Weight list) (bits: uint64) ->
        let weights = first :: rest |> List.map Weight.value |> List.toArray
        let table = AliasTable.ofWeights weights

        [ bits; 0UL; System.UInt64.MaxValue; SplitMix.bits bits ]
        |> List.forall (fun bits ->
            let index = AliasTable.draw bits table
            index >= 0 && index < weights.Length))

[<Fact>]
let ``no weights make a table that is not drawn from`` () = AliasTable.ofWeights [||] |> ignore

[<Fact>]
let ``random numbers are as the reference gives them`` () =
    // The first outputs of the published generator for the seed 0.
    Assert.Equal<uint64 list>(
        [ 0xE220A8397B1DCDAFUL; 0x6E789E6AA1B965F4UL; 0x06C45D188009454FUL ],
        [ 1UL; 2UL; 3UL ] |> List.map SplitMix.bits
    )
