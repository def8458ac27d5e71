namespace Conduit

open System

/// Names a route, for people, logs and metrics.
[<Struct>]
type RouteName = private RouteName of string

[<RequireQualifiedAccess>]
module RouteName =

    let value (RouteName name) = name

    /// 1 to 128 characters, none of them a control character.
    let create where (text: string) : Result<RouteName, Fault> =
        if text.Length >= 1 && text.Length <= 128 && not (Seq.exists Char.IsControl text) then
            Ok(RouteName text)
        else
            Error(
                Fault.create
                    where
                    $"{Fault.quote text} cannot name a route"
                    "use 1 to 128 characters, without line breaks or other control characters"
            )

    /// The name of a route to which nobody gave one: what it matches, as in `www.example.com/api/* GET`.
    let ofMatch (wanted: RouteMatch) = RouteName(string wanted)

/// Timeouts of a route's own; where there is none, its pool's holds.
type RouteTimeouts = {
    Response: TimeSpan option
    Idle: TimeSpan option
    Request: TimeSpan option
}

[<RequireQualifiedAccess>]
module RouteTimeouts =

    let none = {
        Response = None
        Idle = None
        Request = None
    }

    /// The timeouts of a request that takes the route to a pool with these.
    let over (pool: Timeouts) timeouts =
        if obj.ReferenceEquals(timeouts, none) then
            pool
        else
            {
                pool with
                    Response = defaultArg timeouts.Response pool.Response
                    Idle = defaultArg timeouts.Idle pool.Idle
                    Request = timeouts.Request |> Option.orElse pool.Request
            }

/// The way of some requests to a pool, and what is changed on it.
type Route = {
    Name: RouteName
    Match: RouteMatch
    Pool: PoolName
    Rewrite: Rewrite
    RequestHeaders: HeaderEdits
    ResponseHeaders: HeaderEdits
    Timeouts: RouteTimeouts
}

[<RequireQualifiedAccess>]
module Route =

    /// A route that changes nothing, named after what it matches.
    let create wanted pool = {
        Name = RouteName.ofMatch wanted
        Match = wanted
        Pool = pool
        Rewrite = Rewrite.none
        RequestHeaders = HeaderEdits.none
        ResponseHeaders = HeaderEdits.none
        Timeouts = RouteTimeouts.none
    }

    /// The target for the backend; see `Rewrite.apply`.
    let rewritePath route target = Rewrite.apply route.Rewrite target
