namespace Conduit

open System

/// What decides between two routes that both match. The cases stand in the order in which they are
/// asked.
[<RequireQualifiedAccess>]
type Criterion =
    | Host
    | Path
    | Conditions
    | Values
    | Methods
    | Name

/// Which of the routes that match a request takes it: one total order over all routes, from the more
/// specific to the less, whatever their order in the file.
///
/// 1. Host: an exact one, then the longest wildcard, then any.
/// 2. Path: an exact one, then the longest prefix, then any.
/// 3. Conditions: the more the better; a set of methods is one, and so is each header and parameter.
/// 4. Values: the more conditions name a value, and not just that something is there, the better.
/// 5. Methods: the fewer the better; no set of methods means all of them.
/// 6. Name: by character code. It decides only between routes of which neither is the more specific.
///
/// So a route whose requests are all another route's too, but not the other way round, comes first.
[<RequireQualifiedAccess>]
module Precedence =

    // Ranks: the lower takes precedence.

    let private host (route: Route) =
        match route.Match.Host with
        | HostPattern.Exact _ -> Int32.MinValue
        | HostPattern.Wildcard suffix -> -(HostName.value suffix).Length
        | HostPattern.Any -> 0

    let private path (route: Route) =
        match route.Match.Path with
        | PathPattern.Exact _ -> Int32.MinValue
        | PathPattern.Prefix prefix -> -(PathPrefix.value prefix).Length
        | PathPattern.Any -> 0

    let private conditions (route: Route) =
        let wanted = route.Match
        let methods = if wanted.Methods.IsEmpty then 0 else 1
        -(methods + wanted.Headers.Length + wanted.Query.Length)

    let private values (route: Route) =
        let headers = route.Match.Headers |> List.filter _.Value.IsSome
        let query = route.Match.Query |> List.filter _.Value.IsSome
        -(headers.Length + query.Length)

    let private methods (route: Route) =
        match route.Match.Methods with
        | [] -> Int32.MaxValue
        | methods -> methods.Length

    let private by criterion (rank: Route -> int) =
        criterion, (fun a b -> (rank a).CompareTo(rank b))

    let private criteria = [
        by Criterion.Host host
        by Criterion.Path path
        by Criterion.Conditions conditions
        by Criterion.Values values
        by Criterion.Methods methods
        Criterion.Name, (fun a b -> String.CompareOrdinal(RouteName.value a.Name, RouteName.value b.Name))
    ]

    /// What decides between two routes, and which way: below zero when the first takes precedence.
    /// Nothing for two routes of one name that differ in no criterion.
    let decide (a: Route) (b: Route) : (Criterion * int) option =
        criteria
        |> List.tryPick (fun (criterion, compare) ->
            match compare a b with
            | 0 -> None
            | order -> Some(criterion, order))

    /// The order as a comparison for sorting.
    let compare a b =
        match decide a b with
        | Some(_, order) -> order
        | None -> 0
