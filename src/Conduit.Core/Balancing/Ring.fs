namespace Conduit

open System

/// A ring of hashes, as ketama made it known: each member has many points on it, and a key belongs to the
/// member of the first point at its own hash or after it. When a member leaves, its keys alone move.
[<NoEquality; NoComparison>]
type Ring = private {
    /// In order.
    Points: uint64[]
    /// The member of each point.
    Owners: int[]
}

[<RequireQualifiedAccess>]
module Ring =

    /// Points for each unit of weight: shares then differ by about a sixteenth.
    let private most = 256

    /// The most points that a ring has, unless it has more members than that.
    let private limit = 1 <<< 20

    /// The ring of these names with their weights, each at least 1, by their indices. It depends on names and
    /// weights alone, and not on their order.
    let ofMembers (members: (string * int)[]) : Ring =
        let total = members |> Array.sumBy (snd >> int64)
        let each = int (max 1L (min (int64 most) (int64 limit / max 1L total)))

        let points =
            members
            |> Array.map (fun (name, weight) ->
                let start = StableHash.ofName 0UL name
                Array.init (weight * each) (fun point -> SplitMix.bits (start + uint64 point)))

        let owners =
            points
            |> Array.mapi (fun index own -> Array.create own.Length index)
            |> Array.concat

        let points = Array.concat points
        Array.Sort(points, owners)
        { Points = points; Owners = owners }

    /// Where a key is on a ring, which must have a member.
    let locate (key: uint64) (ring: Ring) =
        match Array.BinarySearch(ring.Points, key) with
        | found when found >= 0 -> found
        | missed when ~~~missed = ring.Points.Length -> 0
        | missed -> ~~~missed

    /// The member so many points further on.
    let owner place further (ring: Ring) =
        ring.Owners[(place + further) % ring.Owners.Length]
