namespace Conduit

open System

/// Versions of TLS, the oldest first.
[<RequireQualifiedAccess>]
type TlsVersion =
    | Tls10
    | Tls11
    | Tls12
    | Tls13

[<RequireQualifiedAccess>]
module TlsVersion =

    /// Every version with its name in a configuration.
    let names = [
        "TLS10", TlsVersion.Tls10
        "TLS11", TlsVersion.Tls11
        "TLS12", TlsVersion.Tls12
        "TLS13", TlsVersion.Tls13
    ]

    let name version =
        names |> List.find (fun (_, known) -> known = version) |> fst

[<RequireQualifiedAccess>]
module CipherSuite =

    /// The suites that may be chosen, by their IANA names. All of them keep the past secret when the key is
    /// lost one day.
    let known = [
        "TLS_AES_128_GCM_SHA256"
        "TLS_AES_256_GCM_SHA384"
        "TLS_CHACHA20_POLY1305_SHA256"
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"
    ]

/// A certificate and its key, in files.
type CertificateFiles = {
    /// The certificate, followed by those between it and a root: PEM, or PFX with the key in it.
    CertFile: string
    /// The key as PEM; nothing where it stands in `CertFile`.
    KeyFile: string option
    /// Of the key or the PFX.
    Password: Secret option
    /// Whom it is for; empty for the names in the certificate itself.
    Hosts: HostPattern list
}

/// Whether clients prove who they are, and the file of the authorities that may say so.
[<RequireQualifiedAccess>]
type ClientCertificates =
    | NotAsked
    | Optional of caFile: string
    | Required of caFile: string

/// TLS on the traffic port.
type TlsConfig = {
    /// At least one. The first is for clients that ask for no name, or for one that no other is for.
    Certificates: CertificateFiles list
    /// How often the files are looked at.
    ReloadInterval: TimeSpan
    MinVersion: TlsVersion
    /// Not below `MinVersion`.
    MaxVersion: TlsVersion
    /// IANA names; empty for those of the platform.
    CipherSuites: string list
    ClientCertificates: ClientCertificates
    /// A port whose requests are all sent to https.
    RedirectPort: int option
    /// A UDP port for HTTP/3, which answers over TLS over TCP then offer.
    Http3Port: int option
    /// For how many seconds browsers are to ask for https only.
    Hsts: int option
}

[<RequireQualifiedAccess>]
module TlsConfig =

    let defaultReloadInterval = TimeSpan.FromSeconds 5.0
    let defaultMinVersion = TlsVersion.Tls12
    let defaultMaxVersion = TlsVersion.Tls13
