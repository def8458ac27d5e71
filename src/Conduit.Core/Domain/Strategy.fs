namespace Conduit

open System.Collections.Generic

/// A backend as a strategy of your own sees it. The figures are live.
type ICandidate =
    abstract Id: string
    /// As configured.
    abstract Weight: int
    /// Requests that have been sent to it and have not ended.
    abstract InFlight: int
    /// Tries that were begun, since it joined.
    abstract Requests: int64
    /// Tries that ended in a failure of its own.
    abstract Failures: int64

/// A strategy of your own. It is asked for each request, by many threads at once, so it must be quick and
/// must not wait.
type IStrategy =
    /// How the API and logs call it.
    abstract Name: string

    /// The index of the one to choose of the candidates, of which there is at least one; any other number
    /// leaves the choice to round robin. `turn` counts the choices of the pool from 0 on, and `chance` is
    /// 64 random bits.
    abstract Choose: candidates: IReadOnlyList<ICandidate> * turn: uint64 * chance: uint64 -> int

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
    /// As someone outside says.
    | Custom of IStrategy

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
        match strategy with
        | Strategy.Custom own -> own.Name
        | _ -> names |> List.find (fun (_, named) -> named = strategy) |> fst

    let parse where (text: string) : Result<Strategy, Fault> =
        match List.tryFind (fun (name, _) -> name = text.Trim().ToLowerInvariant()) (names @ aliases) with
        | Some(_, strategy) -> Ok strategy
        | None ->
            let known = List.map fst names
            let what = $"{Fault.quote text} is not a strategy{Names.hint known text}"
            let oneOf = String.concat ", " known
            Error(Fault.create where what $"use one of {oneOf}")
