namespace Conduit

/// The table of Maglev (Eisenbud and others: "Maglev: a fast and reliable software network load balancer",
/// NSDI 2016): each member has an order of its own over all slots, made from a hash of its name, and the
/// members take turns at taking the next slot that is free. One look-up then finds the member of a key.
///
/// The orders there are a start and a step each; two members whose steps are alike then get in each other's way,
/// and when a third one leaves, up to 6 in a hundred of their slots were seen to change hands. Here they are
/// random numbers, and it is little more than 1 at the most.
[<RequireQualifiedAccess>]
module Maglev =

    /// As many as others have: with up to 650 members of one weight their shares are within a hundredth of
    /// each other.
    let slots = 65537

    /// The owner of each slot, as an index of these names with their weights, each at least 1. It depends on
    /// names and weights alone, and not on their order.
    let ofMembers (members: (string * int)[]) : int[] =
        let count = members.Length

        if count = 0 then
            [||]
        else
            let order = Array.init count id |> Array.sortBy (fun index -> fst members[index])
            let starts = members |> Array.map (fun (name, _) -> StableHash.ofName 0UL name)
            // How many slots each member has looked at.
            let looked = Array.zeroCreate<uint64> count
            let heaviest = members |> Array.map snd |> Array.max
            // What each member has saved up; it takes a slot when that makes a whole turn of the heaviest.
            let saved = Array.zeroCreate<int> count
            let owner = Array.create slots -1
            let mutable filled = 0

            let next index =
                let slot = SplitMix.bits (starts[index] + looked[index]) % uint64 slots
                looked[index] <- looked[index] + 1UL
                int slot

            while filled < slots do
                for index in order do
                    saved[index] <- saved[index] + snd members[index]

                    if saved[index] >= heaviest && filled < slots then
                        saved[index] <- saved[index] - heaviest
                        let mutable slot = next index

                        while owner[slot] >= 0 do
                            slot <- next index

                        owner[slot] <- index
                        filled <- filled + 1

            owner
