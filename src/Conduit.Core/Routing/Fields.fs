namespace Conduit

open System

/// A method such as `GET`.
[<Struct>]
type Method = private Method of string

/// The name of a header, as it was written.
[<Struct>]
type HeaderName = private HeaderName of string

/// The value of a header: printable ASCII, without blanks around it. It may be empty.
[<Struct>]
type HeaderValue = private HeaderValue of string

[<RequireQualifiedAccess>]
module Method =

    let private standard =
        set [
            "GET"
            "HEAD"
            "POST"
            "PUT"
            "DELETE"
            "PATCH"
            "OPTIONS"
            "TRACE"
            "CONNECT"
        ]

    let value (Method method) = method

    /// Reads a method. The standard ones may come in any case; others are taken as they are written,
    /// because methods are case-sensitive.
    let parse where (text: string) : Result<Method, Fault> =
        let upper = text.ToUpperInvariant()

        if standard.Contains upper then
            Ok(Method upper)
        elif Token.is text then
            Ok(Method text)
        else
            Error(Fault.create where $"{Fault.quote text} is not a method" "write one such as GET or POST")

[<RequireQualifiedAccess>]
module HeaderName =

    let value (HeaderName name) = name

    let create where (text: string) : Result<HeaderName, Fault> =
        if Token.is text then
            Ok(HeaderName text)
        else
            Error(
                Fault.create
                    where
                    $"{Fault.quote text} is not the name of a header"
                    "use letters, digits and hyphens, as in X-Tenant"
            )

    /// The name in lower case: two names with the same are one.
    let toLower (HeaderName name) = HeaderName(name.ToLowerInvariant())

[<RequireQualifiedAccess>]
module HeaderValue =

    let value (HeaderValue value) = value

    let create where (text: string) : Result<HeaderValue, Fault> =
        let fault what remedy =
            Error(Fault.create where $"{Fault.quote text} {what}" remedy)

        let trimmed = text.Trim ' '

        if Seq.exists Char.IsControl trimmed then
            fault "has a line break or another control character" "write the value on one line, without tabs"
        elif not (Seq.forall Char.IsAscii trimmed) then
            fault "has letters beyond ASCII" "write the value in ASCII, encoded if need be"
        else
            Ok(HeaderValue trimmed)
