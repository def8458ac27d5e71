namespace Conduit.Server

open System
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.WebUtilities
open Conduit

/// Where a request goes, and what is changed on the way there and back.
[<Struct; NoEquality; NoComparison>]
type Passage = {
    Pool: PoolName
    /// The target for the backend, in origin form.
    Path: string
    Timeouts: RouteTimeouts
    RequestHeaders: HeaderEdit list
    ResponseHeaders: HeaderEdit list
    /// Whether `X-Forwarded-*` from the client is believed.
    TrustForwarded: bool
}

/// Reading a query as routing does: names are decoded, and their case counts.
[<RequireQualifiedAccess>]
module Query =

    /// The decoded value of the first parameter of this name in `?a=b&c=d`.
    let first (name: string) (query: string) : string voption =
        let mutable found = ValueNone
        let mutable pairs = QueryStringEnumerable(query).GetEnumerator()

        while found.IsNone && pairs.MoveNext() do
            let pair = pairs.Current

            if pair.DecodeName().Span.SequenceEqual(name.AsSpan()) then
                found <- ValueSome(string (pair.DecodeValue()))

        found

/// What routing sees of a request with this target in origin form.
[<Struct; NoEquality; NoComparison>]
type RequestView private (request: HttpRequest, path: string, query: string) =

    static member Of(request: HttpRequest, target: string) =
        match target.IndexOf '?' with
        | -1 -> RequestView(request, target, "")
        | query -> RequestView(request, target.Substring(0, query), target.Substring query)

    interface IRequestView with
        member _.Method = request.Method
        member _.Host = string request.Headers.Host
        member _.Path = path

        member _.TryHeader name =
            match request.Headers.TryGetValue name with
            | true, values when values.Count = 1 -> ValueSome(string values)
            | true, values -> ValueSome(String.Join(", ", values.ToArray()))
            | _ -> ValueNone

        member _.TryQuery name = Query.first name query

[<RequireQualifiedAccess>]
module Passage =

    let private straight trust path (pool: PoolView) = {
        Pool = pool.Source.Name
        Path = path
        Timeouts = RouteTimeouts.none
        RequestHeaders = []
        ResponseHeaders = []
        TrustForwarded = trust
    }

    let private along trust path (route: Route) = {
        Pool = route.Pool
        Path = Route.rewritePath route path
        Timeouts = route.Timeouts
        RequestHeaders = HeaderEdits.toList route.RequestHeaders
        ResponseHeaders = HeaderEdits.toList route.ResponseHeaders
        TrustForwarded = trust
    }

    /// The way of a request whose target in origin form is `path`; nothing when no route takes it and
    /// there is no default pool.
    let find trust (request: HttpRequest) path (snapshot: Snapshot) : Passage voption =
        let route =
            if snapshot.Router.Routes.IsEmpty then
                ValueNone
            else
                Router.find (RequestView.Of(request, path)) snapshot.Router

        match route with
        | ValueSome route -> ValueSome(along trust path route)
        | ValueNone ->
            match Snapshot.fallback snapshot with
            | ValueSome pool -> ValueSome(straight trust path pool)
            | ValueNone -> ValueNone
