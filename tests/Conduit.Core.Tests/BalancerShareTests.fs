module Conduit.Tests.BalancerShareTests

open Xunit
open Conduit

/// Turns that each share is taken from; the same ones in every run.
let private turns = 200_000

/// Weights and loads of pools that the strategies of chance are put to.
let Cases: TheoryData<int[], int[]> =
    let data = TheoryData<int[], int[]>()
    data.Add([| 1 |], [| 0 |])
    data.Add([| 1; 1 |], [| 0; 0 |])
    data.Add([| 1; 1 |], [| 5; 2 |])
    data.Add([| 1; 2; 3 |], [| 0; 0; 0 |])
    data.Add([| 1; 2; 3 |], [| 3; 1; 9 |])
    data.Add([| 1; 1; 1; 1; 1 |], [| 0; 1; 2; 3; 4 |])
    data.Add([| 256; 1; 17; 40; 3; 3; 99 |], [| 300; 0; 9; 80; 1; 3; 12 |])
    data.Add([| 10; 1; 1; 1; 1; 1; 1; 1 |], [| 90; 8; 7; 6; 5; 4; 3; 2 |])
    data.Add([| 2; 30; 30; 30; 30; 30 |], [| 60; 0; 0; 0; 0; 0 |])
    data

let private view strategy seed weights loads =
    (List.ofArray weights, List.ofArray loads)
    ||> List.map2 (fun weight load -> {
        Pools.idle (Make.weight weight) with
            Load = load
    })
    |> Pools.view strategy seed

let private shares (weights: int[]) =
    let total = float (Array.sum weights)
    weights |> Array.map (fun weight -> float weight / total)

/// The chances of power of two choices: the first of the two by weight, the second by weight too or,
/// when that is the first again, any other one; of them the lighter, the first of equals.
let private chancesOfTwo (view: PoolView) (weights: int[]) =
    let shares = shares weights
    let chances = Array.zeroCreate<float> shares.Length
    let others = float (shares.Length - 1)

    for a in 0 .. shares.Length - 1 do
        for b in 0 .. shares.Length - 1 do
            if a <> b then
                let lighter =
                    if Pools.isBusier view.Available[a] view.Available[b] then
                        b
                    else
                        a

                let chance = shares[a] * (shares[b] + shares[a] / others)
                chances[lighter] <- chances[lighter] + chance

    if shares.Length = 1 then [| 1.0 |] else chances

/// Bounds by chance say nothing of what has no chance at all; that must be exact.
let private assertFits (chances: float[]) (counts: int[]) =
    let possible = chances |> Array.map (fun chance -> chance > 0.0)

    let only (values: 'a[]) =
        Array.zip possible values |> Array.filter fst |> Array.map snd

    Assert.Equal(Array.sum counts, Array.sum (only counts))
    Assert.Equal<string list>([], Chance.misfits (only chances) (only counts))

[<Theory; MemberData(nameof Cases)>]
let ``random shares are the weights' within five standard deviations, whatever the loads``
    (weights: int[])
    (loads: int[])
    =
    for seed in [ 0UL; 1UL; 0x5DEECE66DUL ] do
        let view = view Strategy.Random seed weights loads
        assertFits (shares weights) (Pools.counts 0UL turns view)

[<Theory; MemberData(nameof Cases)>]
let ``power of two choices keeps to its chances within five standard deviations``
    (weights: int[])
    (loads: int[])
    =
    for seed in [ 0UL; 1UL; 0x5DEECE66DUL ] do
        let view = view Strategy.PowerOfTwoChoices seed weights loads
        assertFits (chancesOfTwo view weights) (Pools.counts 0UL turns view)

[<Theory; MemberData(nameof Cases)>]
let ``idle backends get their weights' share of power of two choices`` (weights: int[]) (_: int[]) =
    let view =
        view Strategy.PowerOfTwoChoices 3UL weights (Array.map (fun _ -> 0) weights)

    assertFits (shares weights) (Pools.counts 0UL turns view)
