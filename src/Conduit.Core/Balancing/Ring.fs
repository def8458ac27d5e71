namespace Conduit

open System
open System.Numerics

/// A ring of hashes, as ketama made it known: each member has many points on it, and a key belongs to the
/// member of the first point at its own hash or after it. When a member leaves, its keys alone move.
[<NoEquality; NoComparison>]
type Ring = private {
    /// In order.
    Points: uint64[]
    /// The member of each point.
    Owners: int[]
    /// By the first bits of a hash, the first point at it or after it, and one more at the end: hashes lie
    /// evenly, so few points are left to search, and they lie side by side.
    Starts: int[]
    /// What is left of a hash without those bits.
    Rest: int
}

[<RequireQualifiedAccess>]
module Ring =

    /// Up to this total of weights each unit has many points, above it few: a ring of more than one member has
    /// 2^14 of them at the least, and then no share is off by 2 in a hundred of all keys but by five standard
    /// deviations. There is one such step and no more, because the whole ring is another one beyond it.
    let private small = 64L

    let private many = 8192L
    let private few = 256L

    /// The most points that a ring has, unless it has more members than that.
    let private limit = 1 <<< 20

    /// About four points lie between two starts.
    let private startsOf (points: uint64[]) : struct (int[] * int) =
        let bits = max 1 (BitOperations.Log2(uint points.Length) - 2)
        let rest = 64 - bits
        let starts = Array.create ((1 <<< bits) + 1) points.Length
        let mutable next = 0

        for index in 0 .. points.Length - 1 do
            let place = int (points[index] >>> rest)

            while next <= place do
                starts[next] <- index
                next <- next + 1

        struct (starts, rest)

    /// The ring of these names with their weights, each at least 1, by their indices. It depends on names and
    /// weights alone, and not on their order.
    let ofMembers (members: (string * int)[]) : Ring =
        let total = members |> Array.sumBy (snd >> int64)

        let each =
            if total <= small then
                many
            else
                max 1L (min few (int64 limit / total))
            |> int

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
        let struct (starts, rest) = startsOf points

        {
            Points = points
            Owners = owners
            Starts = starts
            Rest = rest
        }

    /// Where a key is on a ring, which must have a member.
    let locate (key: uint64) (ring: Ring) =
        let place = int (key >>> ring.Rest)
        let start = ring.Starts[place]

        match Array.BinarySearch(ring.Points, start, ring.Starts[place + 1] - start, key) with
        | found when found >= 0 -> found
        | missed when ~~~missed = ring.Points.Length -> 0
        | missed -> ~~~missed

    /// The member so many points further on.
    let owner place further (ring: Ring) =
        ring.Owners[(place + further) % ring.Owners.Length]
