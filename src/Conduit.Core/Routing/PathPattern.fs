namespace Conduit

open System

/// One whole path, as requests carry it.
[<Struct>]
type ExactPath = private ExactPath of string

/// The beginning of paths up to the border of a segment: `/api` is that of `/api`, `/api/` and `/api/x`,
/// never of `/apix`. It begins with a slash and does not end with one.
[<Struct>]
type PathPrefix = private PathPrefix of string

/// Which paths a route is for. Paths are compared as they came, byte for byte, before any decoding:
/// `/a%2Fb` and `/a%2fb` are two paths, and so are `/b` and `/%62`. Nor are dots resolved: `/a/../b`
/// lies below `/a` here, although the backend may take it for `/b`. So routes direct requests; they
/// keep nobody out.
[<RequireQualifiedAccess>]
type PathPattern =
    /// Every path, and the `*` of `OPTIONS *`.
    | Any
    /// One path, with a slash at its end or without, just as it is written.
    | Exact of ExactPath
    | Prefix of PathPrefix

    /// `/*` for any, `/api` for one path, `/api/*` for what lies at or below `/api`.
    override this.ToString() =
        match this with
        | PathPattern.Any -> "/*"
        | PathPattern.Exact(ExactPath path) -> path
        | PathPattern.Prefix(PathPrefix prefix) -> prefix + "/*"

[<RequireQualifiedAccess>]
module ExactPath =

    let value (ExactPath path) = path

    /// Why a text cannot stand for a path, and what would be right.
    let private complaint (text: string) =
        let segments = text.Split '/'

        if not (text.StartsWith '/') then
            Some("does not begin with a slash", $"write /{text}")
        elif text.Contains '?' || text.Contains '#' then
            Some("carries a query or a fragment", "write the path alone")
        elif text |> Seq.exists (fun c -> c <= ' ' || c > '~') then
            Some("has characters that no path has", "write them percent-encoded, as in /a%20b")
        elif Array.contains "." segments || Array.contains ".." segments then
            Some("has a segment of dots, which browsers resolve", "write the path that is meant")
        else
            None

    let parse where (text: string) : Result<ExactPath, Fault> =
        match complaint text with
        | None -> Ok(ExactPath text)
        | Some(what, remedy) -> Error(Fault.create where $"{Fault.quote text} {what}" remedy)

[<RequireQualifiedAccess>]
module PathPrefix =

    let value (PathPrefix prefix) = prefix

    /// Reads a prefix; slashes at its end are dropped. `/` alone is refused: it is no limit for a route,
    /// and nothing to strip or to add.
    let parse where (text: string) : Result<PathPrefix, Fault> =
        ExactPath.parse where text
        |> Result.bind (fun (ExactPath path) ->
            match path.TrimEnd '/' with
            | "" ->
                Error(
                    Fault.create
                        where
                        $"{Fault.quote text} names no segment"
                        "leave it out, or write one as in /api"
                )
            | prefix -> Ok(PathPrefix prefix))

    /// Whether a path lies at the prefix or below it.
    let covers (path: ReadOnlySpan<char>) (PathPrefix prefix) =
        path.StartsWith(prefix, StringComparison.Ordinal)
        && (path.Length = prefix.Length || path[prefix.Length] = '/')

[<RequireQualifiedAccess>]
module PathPattern =

    /// Reads the one path that is matched.
    let exact where (text: string) : Result<PathPattern, Fault> =
        ExactPath.parse where text |> Result.map PathPattern.Exact

    /// Reads the prefix of the paths that are matched. That of `/` is every path.
    let prefix where (text: string) : Result<PathPattern, Fault> =
        if text = "/" then
            Ok PathPattern.Any
        else
            PathPrefix.parse where text |> Result.map PathPattern.Prefix

    /// Whether a request's raw path, without the query, is one of the paths.
    let matches (path: string) pattern =
        match pattern with
        | PathPattern.Any -> true
        | PathPattern.Exact exact -> ExactPath.value exact = path
        | PathPattern.Prefix prefix -> PathPrefix.covers (path.AsSpan()) prefix
