namespace Conduit

open System.Collections.Generic

/// One whole cycle of nginx' smooth weighted round robin, laid out as a table of indices. Any turn is
/// then one look-up, and over each cycle the shares are exact.
///
/// nginx adds to each backend its weight, takes the one with the largest sum (the first of equals) and
/// subtracts the total from it. So after t steps the sum of backend i is w(i) * t - total * picks(i):
/// among equal weights the one with the fewest picks leads, and equal weights take turns. That lets the
/// table be made by looking at one backend for each distinct weight at each step.
[<RequireQualifiedAccess>]
module SmoothCycle =

    let rec private gcd a b = if b = 0 then a else gcd b (a % b)

    /// The indices of one cycle for these weights (each at least 1); empty for no weights. Its length
    /// is the sum of the weights divided by what they have in common.
    let ofWeights (weights: int[]) : int[] =
        if weights.Length = 0 then
            [||]
        else
            let common = Array.reduce gcd weights
            let weights = weights |> Array.map (fun weight -> weight / common)
            let total = Array.sum weights

            // Each queue holds the backends of one weight, the next in turn at its head.
            let classes =
                weights
                |> Array.indexed
                |> Array.groupBy snd
                |> Array.map (fun (weight, members) -> weight, Queue(Array.map fst members))

            let picks = Array.zeroCreate<int64> weights.Length

            Array.init total (fun step ->
                let mutable best = -1
                let mutable bestSum = 0L
                let mutable bestClass = 0

                for c in 0 .. classes.Length - 1 do
                    let weight, members = classes[c]
                    let index = members.Peek()
                    let sum = int64 weight * int64 (step + 1) - int64 total * picks[index]

                    if best < 0 || sum > bestSum || (sum = bestSum && index < best) then
                        best <- index
                        bestSum <- sum
                        bestClass <- c

                let members = snd classes[bestClass]
                picks[best] <- picks[best] + 1L
                members.Enqueue(members.Dequeue())
                best)
