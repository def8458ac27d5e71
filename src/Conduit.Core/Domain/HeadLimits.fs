namespace Conduit

/// How large the head of a request may be.
type HeadLimits = {
    /// Bytes of its first line, as HTTP/1.1 writes it: 256 to 262,144.
    Line: int
    /// Bytes of all its header fields: 1,024 to 262,144.
    Fields: int
    /// Header fields: 1 to 10,000.
    Count: int
}

[<RequireQualifiedAccess>]
module HeadLimits =

    let defaults = {
        Line = 8192
        Fields = 32_768
        Count = 100
    }

    /// Bytes of the first line of a request, as HTTP/1.1 writes it.
    let line (method: string) (target: string) =
        method.Length + target.Length + " ".Length + " HTTP/1.1\r\n".Length
