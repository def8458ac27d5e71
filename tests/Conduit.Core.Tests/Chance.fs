namespace Conduit.Tests

/// What counts drawn by chance may look like. Both bounds are at five standard deviations; the draws
/// they are put to are fixed, so they hold for good or fail for good.
[<RequireQualifiedAccess>]
module Chance =

    let private sigmas = 5.0

    /// Whether a count of `draws` fits its chance: n p +- 5 sqrt (n p (1 - p)).
    let private fits draws count chance =
        let expected = float draws * chance
        abs (float count - expected) <= sigmas * sqrt (expected * (1.0 - chance))

    /// The value that chi-square with so many degrees of freedom stays below but for the chance of five
    /// standard deviations (Wilson and Hilferty's approximation).
    let private chiSquareBound degrees =
        let v = 2.0 / (9.0 * float degrees)
        float degrees * (1.0 - v + sigmas * sqrt v) ** 3.0

    /// What of `counts` does not fit `chances`, each above 0; empty when all does.
    let misfits (chances: float[]) (counts: int[]) = [
        let draws = Array.sum counts

        for index in 0 .. chances.Length - 1 do
            if not (fits draws counts[index] chances[index]) then
                $"{index}: {counts[index]} of {draws}, expected {float draws * chances[index]:F1}"

        if chances.Length > 1 then
            let chiSquare =
                (counts, chances)
                ||> Array.map2 (fun count chance ->
                    let expected = float draws * chance
                    (float count - expected) ** 2.0 / expected)
                |> Array.sum

            let bound = chiSquareBound (chances.Length - 1)

            if chiSquare > bound then
                $"chi-square is {chiSquare:F1}, the bound {bound:F1}"
    ]
