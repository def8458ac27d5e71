namespace Conduit

/// What routing asks of a request. Method, host and path may be asked several times and should cost
/// nothing; headers and query are asked only where a route of that host and path has a condition on them.
type IRequestView =
    /// As the client wrote it: methods are case-sensitive.
    abstract Method: string

    /// `Host` or `:authority` with the port it may carry; empty when the request names no host.
    abstract Host: string

    /// The raw path, neither decoded nor normalised, without the query: for the target
    /// `http://host/a%20b?c` it is `/a%20b`. The `*` of `OPTIONS *` stays what it is.
    abstract Path: string

    /// The value of a header, whatever the case of its name; several lines of one name are joined by a
    /// comma and a space, as RFC 9110 section 5.3 has it.
    abstract TryHeader: name: string -> string voption

    /// The decoded value of the first query parameter of exactly this name; empty for one without value.
    abstract TryQuery: name: string -> string voption
