namespace Conduit

open System

/// Finding the name that someone meant.
[<RequireQualifiedAccess>]
module Names =

    /// Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`: the optimal string
    /// alignment distance.
    let distance (a: string) (b: string) =
        let cost =
            Array2D.init (a.Length + 1) (b.Length + 1) (fun i j ->
                if i = 0 then j
                elif j = 0 then i
                else 0)

        for i in 1 .. a.Length do
            for j in 1 .. b.Length do
                let replace = cost[i - 1, j - 1] + (if a[i - 1] = b[j - 1] then 0 else 1)
                let best = min replace (min (cost[i - 1, j] + 1) (cost[i, j - 1] + 1))

                cost[i, j] <-
                    if i > 1 && j > 1 && a[i - 1] = b[j - 2] && a[i - 2] = b[j - 1] then
                        min best (cost[i - 2, j - 2] + 1)
                    else
                        best

        cost[a.Length, b.Length]

    /// The candidate nearest to `name`, when it is near enough to be a slip of the hand: one that
    /// begins with it, or is at most a third of its letters away. A long `name` is not compared at all.
    let nearest (candidates: string seq) (name: string) =
        if name.Length > 64 then
            None
        else
            let lower = name.ToLowerInvariant()

            let edits (candidate: string) =
                let candidate = candidate.ToLowerInvariant()

                if lower.Length >= 3 && candidate.StartsWith(lower, StringComparison.Ordinal) then
                    0
                else
                    distance lower candidate

            candidates
            |> Seq.map (fun candidate -> candidate, edits candidate)
            |> Seq.filter (fun (candidate, edits) -> edits * 3 <= max candidate.Length lower.Length)
            |> Seq.sortBy snd
            |> Seq.tryHead
            |> Option.map fst

    /// ` (did you mean X?)`, or nothing when no candidate is near.
    let hint candidates name =
        match nearest candidates name with
        | Some candidate -> $" (did you mean {candidate}?)"
        | None -> String.Empty

[<RequireQualifiedAccess>]
module Token =

    /// Whether a text is a token of RFC 9110 section 5.6.2, as methods and the names of headers are.
    let is (text: string) =
        let isTokenChar c =
            Char.IsAsciiLetterOrDigit c || "!#$%&'*+-.^_`|~".Contains(c: char)

        text <> "" && Seq.forall isTokenChar text
