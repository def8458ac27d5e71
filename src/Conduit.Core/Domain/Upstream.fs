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
    /// Whether the backend is told by a header of the PROXY protocol who the client is. Each request has a
    /// connection of its own then.
    SendProxy: ProxyVersion option
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
        SendProxy = None
    }

    /// The values of `send_proxy`.
    let proxyVersions = [ "none", None; "v1", Some ProxyVersion.V1; "v2", Some ProxyVersion.V2 ]

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
        | _ when
            upstream.SendProxy.IsSome
            && (upstream.Protocol <> BackendProtocol.Http1
                || backends |> List.exists (fun spec -> spec.Url.Scheme <> Scheme.Http))
              ->
              [
                  Fault.create
                      where
                      "send_proxy is for http backends of HTTP/1.1 only: connections of the others are shared by clients"
                      "set protocol to http1 and give http URLs, or remove send_proxy"
              ]
        | BackendProtocol.H2 -> wanted Scheme.Https "give it an https URL, or set protocol to h2c"
        | BackendProtocol.H2c -> wanted Scheme.Http "give it an http URL, or set protocol to h2"
        | BackendProtocol.Http1
        | BackendProtocol.Auto -> []
