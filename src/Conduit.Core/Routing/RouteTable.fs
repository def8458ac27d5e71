namespace Conduit

open System
open System.Collections.Generic

/// The routes of one host pattern, by path. Immutable once built.
///
/// Texts of operators are the keys, and none is longer than the longest of them: so a request costs as
/// many look-ups as the operator's longest prefix has segments at most, however long its own path is.
[<Sealed>]
type internal PathTable(inOrder: Route list) =
    let exact = Dictionary<string, Route[]> StringComparer.Ordinal
    let prefixes = Dictionary<string, Route[]> StringComparer.Ordinal
    let byPrefix = prefixes.GetAlternateLookup<ReadOnlySpan<char>>()
    let mutable rest: Route[] = [||]
    let mutable longest = 0

    do
        for pattern, routes in inOrder |> List.groupBy _.Match.Path do
            let routes = Array.ofList routes

            match pattern with
            | PathPattern.Any -> rest <- routes
            | PathPattern.Exact path -> exact.Add(ExactPath.value path, routes)
            | PathPattern.Prefix prefix ->
                let prefix = PathPrefix.value prefix
                prefixes.Add(prefix, routes)
                longest <- max longest prefix.Length

    static member private First(routes: Route[], view: 'View :> IRequestView) : Route voption =
        let mutable found = ValueNone
        let mutable at = 0

        while found.IsNone && at < routes.Length do
            if RouteMatch.conditionsHold view routes[at].Match then
                found <- ValueSome routes[at]

            at <- at + 1

        found

    /// The first route in order of precedence whose path and conditions fit.
    member _.Find(view: 'View :> IRequestView) : Route voption =
        let path = view.Path
        let mutable found = ValueNone
        let mutable routes = rest

        if exact.Count > 0 && exact.TryGetValue(path, &routes) then
            found <- PathTable.First(routes, view)

        // The borders of segments from the longest prefix on: the end of the path, and every slash.
        let mutable border =
            if path.Length <= longest then
                path.Length
            else
                path.LastIndexOf('/', longest)

        while found.IsNone && border > 0 do
            if byPrefix.TryGetValue(path.AsSpan(0, border), &routes) then
                found <- PathTable.First(routes, view)

            border <- path.LastIndexOf('/', border - 1)

        if found.IsNone then PathTable.First(rest, view) else found

/// All routes, by host and then by path. Immutable once built.
[<Sealed>]
type internal RouteTable(inOrder: Route list) =
    let exact = Dictionary<string, PathTable> StringComparer.OrdinalIgnoreCase
    let byExact = exact.GetAlternateLookup<ReadOnlySpan<char>>()
    let wildcards = Dictionary<string, PathTable> StringComparer.OrdinalIgnoreCase
    let bySuffix = wildcards.GetAlternateLookup<ReadOnlySpan<char>>()
    let mutable rest = PathTable []
    let mutable longest = 0

    do
        for pattern, routes in inOrder |> List.groupBy _.Match.Host do
            let table = PathTable routes

            match pattern with
            | HostPattern.Any -> rest <- table
            | HostPattern.Exact name -> exact.Add(HostName.value name, table)
            | HostPattern.Wildcard suffix ->
                let suffix = HostName.value suffix
                wildcards.Add(suffix, table)
                longest <- max longest suffix.Length

    /// The next dot from an index on, or -1.
    static member private Dot(host: ReadOnlySpan<char>, from: int) =
        if from >= host.Length then
            -1
        else
            match host.Slice(from).IndexOf '.' with
            | -1 -> -1
            | at -> from + at

    /// The first route in order of precedence that fits. Allocates nothing.
    member _.Find(view: 'View :> IRequestView) : Route voption =
        let host = HostName.ofAuthority view.Host
        let mutable found = ValueNone
        let mutable table = rest

        if exact.Count > 0 && byExact.TryGetValue(host, &table) then
            found <- table.Find view

        if wildcards.Count > 0 then
            // The dots before which a label stands and behind which the longest suffix has room.
            let mutable dot = RouteTable.Dot(host, max 1 (host.Length - longest - 1))

            while found.IsNone && dot >= 0 do
                if bySuffix.TryGetValue(host.Slice(dot + 1), &table) then
                    found <- table.Find view

                dot <- RouteTable.Dot(host, dot + 1)

        if found.IsNone then rest.Find view else found
