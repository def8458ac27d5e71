namespace Conduit

/// The part of a request that the strategy `hash` goes by.
[<RequireQualifiedAccess>]
type HashOn =
    /// The path without the query.
    | Path
    /// The path with the query.
    | Uri
    | Header of name: string
    | Cookie of name: string
    | Query of name: string

[<RequireQualifiedAccess>]
module HashOn =

    /// As operators write it: `path`, `uri`, `header:NAME`, `cookie:NAME` or `query:NAME`.
    let format on =
        match on with
        | HashOn.Path -> "path"
        | HashOn.Uri -> "uri"
        | HashOn.Header name -> $"header:{name}"
        | HashOn.Cookie name -> $"cookie:{name}"
        | HashOn.Query name -> $"query:{name}"

    let parse where (text: string) : Result<HashOn, Fault> =
        let fault what =
            Error(
                Fault.create
                    where
                    $"{Fault.quote text} {what}"
                    "use path, uri, header:NAME, cookie:NAME or query:NAME"
            )

        match text.Trim().Split(':', 2) with
        | [| "path" |] -> Ok HashOn.Path
        | [| "uri" |] -> Ok HashOn.Uri
        | [| "header"; name |] when Token.is name -> Ok(HashOn.Header name)
        | [| "cookie"; name |] when Token.is name -> Ok(HashOn.Cookie name)
        | [| "query"; name |] when name <> "" -> Ok(HashOn.Query name)
        | [| "header" | "cookie" | "query"; _ |] -> fault "has no name that could be there"
        | _ -> fault "is no part of a request that can be hashed"

/// How keys are spread over backends.
[<RequireQualifiedAccess>]
type HashTable =
    /// One look-up for each choice, and even shares.
    | Maglev
    /// A search for each choice; when a backend leaves, no other key moves.
    | Ring

type HashSettings = {
    On: HashOn
    Table: HashTable
    /// What a backend may have in flight, in hundredths of its share of all that is in flight, before its
    /// keys go on to the next; 0 for no bound, else 100 to 1000.
    BalanceFactor: int
}
