namespace Conduit

/// Which member of a pool the requests of a key go to.
[<RequireQualifiedAccess; NoEquality; NoComparison>]
type KeyMap =
    | Maglev of owners: int[]
    | Ring of Ring

[<RequireQualifiedAccess>]
module KeyMap =

    /// The map of members by their names and weights, each at least 1.
    let ofMembers table (members: (string * int)[]) =
        match table with
        | HashTable.Maglev -> KeyMap.Maglev(Maglev.ofMembers members)
        | HashTable.Ring -> KeyMap.Ring(Ring.ofMembers members)

    /// Where the key is in the map, which must have a member.
    let locate (key: uint64) map =
        match map with
        | KeyMap.Maglev _ -> int (key % uint64 Maglev.slots)
        | KeyMap.Ring ring -> Ring.locate key ring

    /// The member for the key that is at `place`; with each further `probe` the next one that it would go
    /// to, which need not be another.
    let owner (key: uint64) place (probe: int) map =
        match map with
        | KeyMap.Maglev owners when probe = 0 -> owners[place]
        | KeyMap.Maglev owners -> owners[int (SplitMix.bits (key + uint64 probe) % uint64 Maglev.slots)]
        | KeyMap.Ring ring -> Ring.owner place probe ring
