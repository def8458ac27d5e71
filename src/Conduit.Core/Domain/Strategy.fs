namespace Conduit

/// How a pool chooses the backend for a request.
[<RequireQualifiedAccess>]
type Strategy =
    /// Each in turn.
    | RoundRobin
    /// Each in turn as often as its weight says, spread as evenly as nginx' smooth algorithm does.
    | WeightedRoundRobin
    /// The backend with the fewest requests in flight for its weight; ties rotate by weight.
    | LeastConnections
    /// By chance, in proportion to the weights.
    | Random
    /// Two by chance, and of them the one with fewer requests in flight for its weight.
    | PowerOfTwoChoices
    /// Two by chance, and of them the one that can be expected to answer sooner.
    | PeakEwma
    /// The same one for each client's address.
    | IpHash
    /// The same one for each value of a part of the request.
    | Hash

[<RequireQualifiedAccess>]
module Strategy =

    let private names = [
        "round-robin", Strategy.RoundRobin
        "weighted-round-robin", Strategy.WeightedRoundRobin
        "least-connections", Strategy.LeastConnections
        "random", Strategy.Random
        "power-of-two-choices", Strategy.PowerOfTwoChoices
        "peak-ewma", Strategy.PeakEwma
        "ip-hash", Strategy.IpHash
        "hash", Strategy.Hash
    ]

    /// Other names under which existing systems and people know a strategy.
    let private aliases = [
        "least-connection", Strategy.LeastConnections
        "p2c", Strategy.PowerOfTwoChoices
    ]

    let all = names |> List.map snd

    let name strategy =
        names |> List.find (fun (_, named) -> named = strategy) |> fst

    let parse where (text: string) : Result<Strategy, Fault> =
        match List.tryFind (fun (name, _) -> name = text.Trim().ToLowerInvariant()) (names @ aliases) with
        | Some(_, strategy) -> Ok strategy
        | None ->
            let known = List.map fst names
            let what = $"{Fault.quote text} is not a strategy{Names.hint known text}"
            let oneOf = String.concat ", " known
            Error(Fault.create where what $"use one of {oneOf}")
