namespace Conduit.Server

open System
open Microsoft.AspNetCore.Http
open Microsoft.Extensions.Primitives
open Conduit

/// Reading the header `Cookie` (RFC 6265 section 4.2.1).
[<RequireQualifiedAccess>]
module Cookies =

    let private inLine (name: string) (line: string) : ReadOnlySpan<char> =
        let mutable rest = line.AsSpan()
        let mutable found = ReadOnlySpan<char>.Empty

        while not rest.IsEmpty do
            let pair, next =
                match rest.IndexOf ';' with
                | -1 -> rest.Length, rest.Length
                | at -> at, at + 1

            let cookie = rest.Slice(0, pair).Trim ' '

            if
                found.IsEmpty
                && cookie.Length > name.Length
                && cookie[name.Length] = '='
                && cookie.StartsWith(name.AsSpan(), StringComparison.Ordinal)
            then
                found <- cookie.Slice(name.Length + 1)

            rest <- rest.Slice next

        found

    /// The value of the first cookie of this name that has one; empty when there is none. Allocates nothing.
    let find (name: string) (lines: StringValues) : ReadOnlySpan<char> =
        let mutable found = ReadOnlySpan<char>.Empty
        let mutable line = 0

        while found.IsEmpty && line < lines.Count do
            match lines[line] with
            | null -> ()
            | text -> found <- inLine name text

            line <- line + 1

        found

/// What the strategies that hash go by.
[<RequireQualifiedAccess>]
module AffinityKey =

    let private ofClient proxies http =
        StableHash.ofNumber 0UL (ClientAddress.number proxies http)

    let private ofText (text: ReadOnlySpan<char>) = StableHash.ofText 0UL text

    /// The hash of a part of the request; of the client's address where the request does not have the part.
    let private ofPart (on: HashOn) proxies (http: HttpContext) (path: string) =
        let request = http.Request

        match on with
        | HashOn.Uri -> ofText (path.AsSpan())
        | HashOn.Path ->
            match path.IndexOf '?' with
            | -1 -> ofText (path.AsSpan())
            | query -> ofText (path.AsSpan(0, query))
        | HashOn.Header name ->
            match string request.Headers[name] with
            | "" -> ofClient proxies http
            | value -> ofText (value.AsSpan())
        | HashOn.Cookie name ->
            let value = Cookies.find name request.Headers.Cookie

            if value.IsEmpty then
                ofClient proxies http
            else
                ofText value
        | HashOn.Query name ->
            match path.IndexOf '?' with
            | -1 -> ofClient proxies http
            | query ->
                match Query.first name (path.Substring query) with
                | ValueSome value -> ofText (value.AsSpan())
                | ValueNone -> ofClient proxies http

    /// The key of a request to this path and query, by the strategy of its pool; 0 for strategies that hash
    /// nothing.
    let ofRequest (settings: PoolSettings) proxies (http: HttpContext) (path: string) =
        match settings.Strategy with
        | Strategy.IpHash -> ofClient proxies http
        | Strategy.Hash -> ofPart settings.Hash.On proxies http path
        | _ -> 0UL
