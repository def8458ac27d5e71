namespace Conduit.Tests

open System
open Conduit

/// Routing as docs/routing.md tells it, in the plainest way: every route is tried against the labels of
/// the host and the segments of the path, and the most specific of those that match is taken.
[<RequireQualifiedAccess>]
module RoutingReference =

    let private labels (authority: string) =
        let host = authority.ToLowerInvariant()

        let name =
            if host.StartsWith '[' then
                host.Split(']')[0] + "]"
            else
                (host.Split(':')[0]).TrimEnd '.'

        List.ofArray (name.Split '.')

    let private endsWith (tail: 'a list) (all: 'a list) =
        all.Length >= tail.Length && List.skip (all.Length - tail.Length) all = tail

    let private beginsWith (head: 'a list) (all: 'a list) =
        all.Length >= head.Length && List.truncate head.Length all = head

    let private segments (path: string) = List.ofArray (path.Split '/')

    let private isMet (wanted: string option) (given: string option) =
        match wanted, given with
        | _, None -> false
        | None, Some _ -> true
        | Some wanted, Some given -> wanted = given

    let matches (asked: Asked) (route: Route) =
        let wanted = route.Match
        let host = labels asked.Host

        let hostFits =
            match wanted.Host with
            | HostPattern.Any -> true
            | HostPattern.Exact name -> labels (HostName.value name) = host
            | HostPattern.Wildcard suffix ->
                let suffix = labels (HostName.value suffix)
                host.Length > suffix.Length && endsWith suffix host

        let pathFits =
            match wanted.Path with
            | PathPattern.Any -> true
            | PathPattern.Exact path -> ExactPath.value path = asked.Path
            | PathPattern.Prefix prefix ->
                beginsWith (segments (PathPrefix.value prefix)) (segments asked.Path)

        hostFits
        && pathFits
        && (wanted.Methods = []
            || List.exists (fun method -> Method.value method = asked.Method) wanted.Methods)
        && wanted.Headers
           |> List.forall (fun header ->
               isMet
                   (Option.map HeaderValue.value header.Value)
                   (Map.tryFind (HeaderName.value header.Name) asked.Headers))
        && wanted.Query
           |> List.forall (fun parameter -> isMet parameter.Value (Map.tryFind parameter.Name asked.Query))

    /// Smaller for the more specific: host, path, conditions, values, methods, name.
    let private rank (route: Route) =
        let wanted = route.Match

        let host =
            match wanted.Host with
            | HostPattern.Exact _ -> -1000
            | HostPattern.Wildcard suffix -> -(labels (HostName.value suffix)).Length
            | HostPattern.Any -> 0

        let path =
            match wanted.Path with
            | PathPattern.Exact _ -> -1000
            | PathPattern.Prefix prefix -> -(segments (PathPrefix.value prefix)).Length
            | PathPattern.Any -> 0

        let values =
            (wanted.Headers |> List.choose _.Value).Length
            + (wanted.Query |> List.choose _.Value).Length

        let conditions =
            min 1 wanted.Methods.Length + wanted.Headers.Length + wanted.Query.Length

        let methods = if wanted.Methods = [] then 1000 else wanted.Methods.Length

        host, path, -conditions, -values, methods, Routing.nameOf route

    /// The name of the route that takes the request; empty for none.
    let find (routes: Route list) (asked: Asked) =
        match routes |> List.filter (matches asked) with
        | [] -> ""
        | candidates -> candidates |> List.minBy rank |> Routing.nameOf
