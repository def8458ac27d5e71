namespace Conduit

/// The table of Maglev (Eisenbud and others: "Maglev: a fast and reliable software network load balancer",
/// NSDI 2016): each member has an order of its own over all slots, made from a hash of its name, and the
/// members take turns at taking the next slot that is free. One look-up then finds the member of a key.
[<RequireQualifiedAccess>]
module Maglev =

    /// A prime, as the algorithm needs it, and the one that others use: with up to 650 members of one weight
    /// their shares are within a hundredth of each other.
    let slots = 65537

    /// The owner of each slot, as an index of these names with their weights, each at least 1. It depends on
    /// names and weights alone, and not on their order.
    let ofMembers (members: (string * int)[]) : int[] =
        let count = members.Length

        if count = 0 then
            [||]
        else
            let order = Array.init count id |> Array.sortBy (fun index -> fst members[index])

            let offset =
                members
                |> Array.map (fun (name, _) -> int (StableHash.ofName 0UL name % uint64 slots))

            let skip =
                members
                |> Array.map (fun (name, _) -> 1 + int (StableHash.ofName 1UL name % uint64 (slots - 1)))

            let heaviest = members |> Array.map snd |> Array.max
            // What each member has saved up; it takes a slot when that makes a whole turn of the heaviest.
            let saved = Array.zeroCreate<int> count
            let owner = Array.create slots -1
            let mutable filled = 0

            while filled < slots do
                for index in order do
                    saved[index] <- saved[index] + snd members[index]

                    if saved[index] >= heaviest && filled < slots then
                        saved[index] <- saved[index] - heaviest

                        while owner[offset[index]] >= 0 do
                            offset[index] <- (offset[index] + skip[index]) % slots

                        owner[offset[index]] <- index
                        filled <- filled + 1

            owner
