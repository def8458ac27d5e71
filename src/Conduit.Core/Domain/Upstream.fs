namespace Conduit

/// What is spoken with backends.
[<RequireQualifiedAccess>]
type BackendProtocol =
    /// HTTP/1.1.
    | Http1
    /// HTTP/2 over TLS.
    | H2
    /// HTTP/2 in cleartext, known beforehand.
    | H2c
    /// What an https backend chooses by ALPN, HTTP/1.1 with all others.
    | Auto

[<RequireQualifiedAccess>]
module BackendProtocol =

    /// Every protocol with its name in a configuration.
    let names = [
        "http1", BackendProtocol.Http1
        "h2", BackendProtocol.H2
        "h2c", BackendProtocol.H2c
        "auto", BackendProtocol.Auto
    ]

    let name protocol =
        names |> List.find (fun (_, known) -> known = protocol) |> fst

/// How https backends are trusted, and what they get to see.
type BackendTls = {
    /// The name that is asked for and that the certificate must be for, instead of the backend's host.
    ServerName: string option
    /// The authorities that are trusted, instead of those of the system: a PEM file.
    CaFile: string option
    /// A certificate to show, a PEM file.
    CertFile: string option
    /// Its key; nothing where it stands in `CertFile`.
    KeyFile: string option
    /// Whether any certificate will do.
    InsecureSkipVerify: bool
}

/// How backends are spoken to.
type Upstream = {
    Protocol: BackendProtocol
    Tls: BackendTls
}

[<RequireQualifiedAccess>]
module Upstream =

    let defaults = {
        Protocol = BackendProtocol.Http1
        Tls = {
            ServerName = None
            CaFile = None
            CertFile = None
            KeyFile = None
            InsecureSkipVerify = false
        }
    }

    /// Faults where backends cannot be spoken to in this way.
    let conflicts where (upstream: Upstream) (backends: BackendSpec list) : Fault list =
        let wanted scheme what =
            backends
            |> List.filter (fun spec -> spec.Url.Scheme <> scheme)
            |> List.map (fun spec ->
                Fault.create
                    where
                    $"{Fault.quote (BackendId.value spec.Id)} cannot be spoken to by {BackendProtocol.name upstream.Protocol}"
                    what)

        match upstream.Protocol with
        | BackendProtocol.H2 -> wanted Scheme.Https "give it an https URL, or set protocol to h2c"
        | BackendProtocol.H2c -> wanted Scheme.Http "give it an http URL, or set protocol to h2"
        | BackendProtocol.Http1
        | BackendProtocol.Auto -> []
