namespace Conduit

/// What becomes of one route when a request is routed.
[<RequireQualifiedAccess>]
type Verdict =
    /// It takes the request.
    | Wins
    /// It matches too, but another route takes precedence by this criterion.
    | Outranked of Criterion
    | PassedOver of Mismatch list

/// Why a request takes the route it takes.
type Explanation = {
    /// What was asked, in one line.
    Request: string
    /// Every route with its verdict, in order of precedence.
    Steps: (Route * Verdict) list
    Winner: Route voption
}

[<RequireQualifiedAccess>]
module Explanation =

    /// Goes through all routes one by one, unlike the table that requests use: two ways to one result.
    let create (inOrder: Route list) (view: IRequestView) =
        let judged =
            inOrder |> List.map (fun route -> route, RouteMatch.mismatches view route.Match)

        let winner = judged |> List.tryFind (snd >> List.isEmpty) |> Option.map fst

        let verdict (route: Route) mismatches =
            match mismatches, winner with
            | [], Some winner ->
                match Precedence.decide winner route with
                | Some(criterion, _) -> Verdict.Outranked criterion
                | None -> Verdict.Wins
            | _ -> Verdict.PassedOver mismatches

        {
            Request = $"{view.Method} {Fault.quote view.Path} of the host {Fault.quote view.Host}"
            Steps = judged |> List.map (fun (route, mismatches) -> route, verdict route mismatches)
            Winner = Option.toValueOption winner
        }

    let private instead (found: string voption) =
        match found with
        | ValueNone -> "which is not there"
        | ValueSome value -> $"which is {Fault.quote value}"

    /// As what follows `it is passed over: `.
    let mismatch mismatch =
        match mismatch with
        | Mismatch.Host host -> $"it is for the host {host}"
        | Mismatch.Path path -> $"it is for the path {path}"
        | Mismatch.Method methods ->
            let methods = methods |> List.map Method.value |> String.concat " or "
            $"it is for {methods}"
        | Mismatch.Header(header, found) -> $"it wants the header {header}, {instead found}"
        | Mismatch.Query(parameter, found) -> $"it wants the query {parameter}, {instead found}"

    /// As what follows `it matches too, but `.
    let criterion criterion =
        match criterion with
        | Criterion.Host -> "its host is less specific"
        | Criterion.Path -> "its path is less specific"
        | Criterion.Conditions -> "it has fewer conditions"
        | Criterion.Values -> "fewer of its conditions name a value"
        | Criterion.Methods -> "it is for more methods"
        | Criterion.Name -> "its name comes later, and nothing else tells the two apart"

    let private title (route: Route) =
        let name, wanted = RouteName.value route.Name, string route.Match
        if name = wanted then name else $"{name} ({wanted})"

    /// So many names at most of routes that are not even candidates.
    let private shown = 5

    let private elsewhere what (routes: Route list) = [
        if not routes.IsEmpty then
            let names = routes |> List.truncate shown |> List.map (_.Name >> RouteName.value)

            let more =
                if routes.Length > shown then
                    [ $"and {routes.Length - shown} more" ]
                else
                    []

            let all = String.concat ", " (names @ more)
            $"for another {what}: {all}"
    ]

    /// Lines for a person: the request, each route of its host and path with what became of it, in
    /// order of precedence, then those of other paths and hosts, and at last where the request goes.
    let render explanation : string list =
        let isFor kind verdict =
            match verdict with
            | Verdict.PassedOver(first :: _) -> kind first
            | _ -> false

        let otherHost, here = explanation.Steps |> List.partition (snd >> isFor _.IsHost)

        let otherPath, candidates = here |> List.partition (snd >> isFor _.IsPath)

        [
            explanation.Request
            for route, verdict in candidates do
                match verdict with
                | Verdict.Wins -> $"{title route}: takes it, the most specific that matches"
                | Verdict.Outranked by -> $"{title route}: matches too, but {criterion by}"
                | Verdict.PassedOver mismatches ->
                    let reasons = mismatches |> List.map mismatch |> String.concat "; "
                    $"{title route}: passed over, {reasons}"
            yield! elsewhere "path" (List.map fst otherPath)
            yield! elsewhere "host" (List.map fst otherHost)
            match explanation.Winner with
            | ValueSome route ->
                $"goes by the route {RouteName.value route.Name} to the pool {PoolName.value route.Pool}"
            | ValueNone -> "no route matches"
        ]
