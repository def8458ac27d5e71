namespace Conduit

open System

/// How a route changes the path on its way to the backend: first it strips a prefix, then it adds one.
type Rewrite = private {
    strip: PathPrefix option
    add: PathPrefix option
} with

    member this.Strip = this.strip
    member this.Add = this.add

[<RequireQualifiedAccess>]
module Rewrite =

    let none = { strip = None; add = None }

    /// Whether some path of the pattern lies at the prefix or below it.
    let private meets (pattern: PathPattern) prefix =
        let covers (text: string) prefix =
            PathPrefix.covers (text.AsSpan()) prefix

        match pattern with
        | PathPattern.Any -> true
        | PathPattern.Exact path -> covers (ExactPath.value path) prefix
        | PathPattern.Prefix own ->
            covers (PathPrefix.value own) prefix || covers (PathPrefix.value prefix) own

    /// The rewriting of a route's paths. A prefix to strip that none of them has is a fault.
    let create where (pattern: PathPattern) strip add : Result<Rewrite, Fault> =
        match strip with
        | Some prefix when not (meets pattern prefix) ->
            Error(
                Fault.create
                    where
                    $"no path of the route begins with {Fault.quote (PathPrefix.value prefix)}"
                    $"strip a prefix of {Fault.quote (string pattern)}"
            )
        | _ -> Ok { strip = strip; add = add }

    /// Where the path ends and the query begins.
    let private endOfPath (target: string) =
        match target.IndexOf '?' with
        | -1 -> target.Length
        | query -> query

    /// The target for the backend. `target` is a raw path with its query, if any, and begins with a
    /// slash; so does the result. The query stays as it is, and a path that does not begin with the
    /// prefix to strip is only added to. Gives the very same text back when there is nothing to do.
    let apply rewrite (target: string) : string =
        let stripped =
            match rewrite.strip with
            | Some prefix when PathPrefix.covers (target.AsSpan(0, endOfPath target)) prefix ->
                (PathPrefix.value prefix).Length
            | _ -> 0

        let added =
            match rewrite.add with
            | Some prefix -> PathPrefix.value prefix
            | None -> ""

        if stripped = 0 && added = "" then
            target
        else
            let rest = target.AsSpan stripped
            // Without a prefix to begin with, the path of what was stripped whole is a slash.
            let start =
                if added = "" && not (rest.StartsWith "/") then
                    "/"
                else
                    added

            String.Concat(start.AsSpan(), rest)
