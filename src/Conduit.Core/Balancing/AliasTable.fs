namespace Conduit

open System.Collections.Generic

/// Draws an index in proportion to weights in constant time: the alias method of Vose ("A linear
/// algorithm for generating random numbers with a given distribution", 1991).
[<NoEquality; NoComparison>]
type AliasTable = private {
    /// The part of each column, of 2^32, that belongs to the column's own index.
    Own: uint32[]
    /// The index that the rest of each column belongs to.
    Other: int[]
}

[<RequireQualifiedAccess>]
module AliasTable =

    /// The table for these weights, each at least 1.
    let ofWeights (weights: int[]) : AliasTable =
        let count = weights.Length
        let total = weights |> Array.sumBy int64
        let own = Array.create count System.UInt32.MaxValue
        let other = Array.init count id
        // A column's fill in units of total / count: 1 is exactly full.
        let fill =
            weights |> Array.map (fun weight -> float weight * float count / float total)

        let small, large = Stack<int>(), Stack<int>()

        for i in 0 .. count - 1 do
            if fill[i] < 1.0 then small.Push i else large.Push i

        while small.Count > 0 && large.Count > 0 do
            let lack, spare = small.Pop(), large.Pop()
            own[lack] <- uint32 (fill[lack] * 4294967296.0)
            other[lack] <- spare
            fill[spare] <- fill[spare] - (1.0 - fill[lack])

            if fill[spare] < 1.0 then
                small.Push spare
            else
                large.Push spare

        { Own = own; Other = other }

    /// An index, chosen by 64 random bits. The table must not be empty.
    let draw (bits: uint64) (table: AliasTable) =
        let column = SplitMix.below table.Own.Length (uint32 (bits >>> 32))

        if uint32 bits <= table.Own[column] then
            column
        else
            table.Other[column]
