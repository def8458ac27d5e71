namespace Conduit

/// Random numbers as a pure function of a position: SplitMix64 (Steele, Lea, Flood: "Fast splittable
/// pseudorandom number generators", OOPSLA 2014). The same position always gives the same number, so a
/// choice made by chance can be replayed.
[<RequireQualifiedAccess>]
module SplitMix =

    /// 64 random bits for a position.
    let bits (position: uint64) =
        let z = position * 0x9E3779B97F4A7C15UL
        let z = (z ^^^ (z >>> 30)) * 0xBF58476D1CE4E5B9UL
        let z = (z ^^^ (z >>> 27)) * 0x94D049BB133111EBUL
        z ^^^ (z >>> 31)

    /// Maps 32 random bits to 0 .. count - 1 without division (Lemire, "Fast random integer generation
    /// in an interval", 2019); the bias is below count / 2^32.
    let inline below (count: int) (bits: uint32) =
        int ((uint64 bits * uint64 count) >>> 32)
