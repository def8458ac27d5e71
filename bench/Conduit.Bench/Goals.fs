namespace Conduit.Bench

/// What is compared.
[<RequireQualifiedAccess>]
type Figure =
    /// Processor time by request.
    | Cost
    | P99

/// At most so many times a peer's figure.
type Goal = {
    Case: string
    Peer: string
    Figure: Figure
    Limit: float
}

[<RequireQualifiedAccess>]
module Goals =

    let private cost case peer limit = {
        Case = case
        Peer = peer
        Figure = Figure.Cost
        Limit = limit
    }

    let all = [
        cost "small-64" "nginx" 0.95
        cost "small-64" "haproxy" 0.95
        cost "small-64" "yarp" 0.50
        cost "small-64" "caddy" 0.25
        {
            cost "small-64" "haproxy" 1.5 with
                Figure = Figure.P99
        }
        cost "small-512" "haproxy" 0.95
        cost "10k-64" "nginx" 0.95
        cost "10k-64" "haproxy" 0.95
        cost "1m-64" "haproxy" 1.0
        cost "tls-64" "haproxy" 1.3
    ]

    /// Conduit's figure by the peer's; nothing where one of them was not measured.
    let reached (results: CaseResult list) (goal: Goal) : float option =
        let figure result =
            match goal.Figure with
            | Figure.Cost -> Results.cost result
            | Figure.P99 -> Results.latency _.P99 result

        results
        |> List.tryFind (fun result -> result.Case = goal.Case)
        |> Option.bind (fun result ->
            let find name =
                result.Peers |> List.tryFind (fun each -> each.Peer = name)

            match find "conduit", find goal.Peer with
            | Some own, Some other -> Some(figure own / figure other)
            | _ -> None)
