namespace Conduit.Server

open System
open System.Collections.Generic
open System.Net.Security
open System.Security.Authentication
open FsToolkit.ErrorHandling
open Conduit

/// What handshakes are answered with. Immutable: another certificate makes another one.
[<ReferenceEquality>]
type TlsState = {
    Config: TlsConfig
    /// In their order.
    Certificates: ServerCertificate list
    Clients: ClientAuthority option
    ByName: Dictionary<string, SslServerAuthenticationOptions>
    /// By what follows the first label.
    ByParent: Dictionary<string, SslServerAuthenticationOptions>
    Default: SslServerAuthenticationOptions
}

[<RequireQualifiedAccess>]
module TlsState =

    #nowarn "44" // Obsolete versions are spoken only where the operator spells them out.

    let private protocol version =
        match version with
        | TlsVersion.Tls10 -> SslProtocols.Tls
        | TlsVersion.Tls11 -> SslProtocols.Tls11
        | TlsVersion.Tls12 -> SslProtocols.Tls12
        | TlsVersion.Tls13 -> SslProtocols.Tls13

    let private protocols (config: TlsConfig) =
        TlsVersion.names
        |> List.map snd
        |> List.filter (fun version -> version >= config.MinVersion && version <= config.MaxVersion)
        |> List.fold (fun all version -> all ||| protocol version) SslProtocols.None

    let private policy (config: TlsConfig) : CipherSuitesPolicy | null =
        match config.CipherSuites with
        // A policy would take session resumption away, which the platform has for its own choice only.
        | [] -> null
        | suites -> CipherSuitesPolicy(suites |> List.map Enum.Parse<TlsCipherSuite>)

    /// Shared by all handshakes with the certificate, so that sessions can be resumed.
    let private options
        (config: TlsConfig)
        (clients: ClientAuthority option)
        (certificate: ServerCertificate)
        =
        let options =
            SslServerAuthenticationOptions(
                ServerCertificateContext = certificate.Context,
                EnabledSslProtocols = protocols config,
                ApplicationProtocols = List [ SslApplicationProtocol.Http2; SslApplicationProtocol.Http11 ],
                CipherSuitesPolicy = policy config,
                AllowRenegotiation = false
            )

        match clients with
        | None -> ()
        | Some authority ->
            let mustHave = config.ClientCertificates.IsRequired
            options.ClientCertificateRequired <- true
            options.RemoteCertificateValidationCallback <- ClientAuthority.validation authority mustHave

        options

    let private build (config: TlsConfig) certificates clients =
        let byName, byParent =
            Dictionary<string, SslServerAuthenticationOptions>(StringComparer.OrdinalIgnoreCase),
            Dictionary<string, SslServerAuthenticationOptions>(StringComparer.OrdinalIgnoreCase)

        let all =
            certificates
            |> List.map (fun certificate -> certificate, options config clients certificate)

        for certificate, options in all do
            for host in certificate.Hosts do
                match host with
                | HostPattern.Exact name -> byName.TryAdd(HostName.value name, options) |> ignore
                | HostPattern.Wildcard parent -> byParent.TryAdd(HostName.value parent, options) |> ignore
                | HostPattern.Any -> ()

        {
            Config = config
            Certificates = certificates
            Clients = clients
            ByName = byName
            ByParent = byParent
            Default = snd all.Head
        }

    let private authorityOf (config: TlsConfig) =
        match config.ClientCertificates with
        | ClientCertificates.NotAsked -> Ok None
        | ClientCertificates.Optional file
        | ClientCertificates.Required file -> ClientAuthority.read file |> Result.map Some

    /// Reads all files that a configuration names. All that is wrong with them at once.
    let load (now: DateTimeOffset) (config: TlsConfig) : Result<TlsState, FileFault list> = validation {
        let! certificates =
            config.Certificates |> List.traverseResultA (ServerCertificate.read now)

        and! clients = authorityOf config |> Result.mapError List.singleton
        return build config certificates clients
    }

    /// The certificate for a name: its own, that of its parent (`*.example.com`), or the first.
    let choose (serverName: string) (state: TlsState) : SslServerAuthenticationOptions =
        match state.ByName.TryGetValue serverName with
        | true, options -> options
        | _ ->
            match serverName.IndexOf '.' with
            | -1 -> state.Default
            | dot ->
                match state.ByParent.TryGetValue(serverName.Substring(dot + 1)) with
                | true, options -> options
                | _ -> state.Default

    /// The same for QUIC, which is TLS 1.3 alone, with the cipher suites of that.
    let chooseForQuic (serverName: string) (state: TlsState) : SslServerAuthenticationOptions =
        let chosen = choose serverName state

        SslServerAuthenticationOptions(
            ServerCertificateContext = chosen.ServerCertificateContext,
            ApplicationProtocols = List [ SslApplicationProtocol.Http3 ],
            ClientCertificateRequired = chosen.ClientCertificateRequired,
            RemoteCertificateValidationCallback = chosen.RemoteCertificateValidationCallback
        )

    /// What is read anew where its files have changed, and else stays; so does what is wrong by now.
    let private renewed stamps read (old: 'a) : 'a * FileFault list =
        if stamps then
            old, []
        else
            match read old with
            | Ok renewed -> renewed, []
            | Error fault -> old, [ fault ]

    /// The state with what has changed in its files. What is wrong in them is told, and stays as it was.
    /// Gives the same state where there is nothing new to serve.
    let renew (now: DateTimeOffset) (state: TlsState) : TlsState * FileFault list =
        let certificates, faults =
            state.Certificates
            |> List.map (fun old ->
                renewed (ServerCertificate.stamps old.Files = old.Stamps) (ServerCertificate.renew now) old)
            |> List.unzip

        let clients, clientFaults =
            match state.Clients with
            | None -> None, []
            | Some old ->
                let clients, faults =
                    renewed
                        ([ FileStamp.read old.File ] = old.Stamps)
                        (fun old -> ClientAuthority.read old.File)
                        old

                Some clients, faults

        let isSame =
            List.forall2 (fun a b -> obj.ReferenceEquals(a, b)) certificates state.Certificates
            && (clients = state.Clients)

        (if isSame then
             state
         else
             build state.Config certificates clients),
        List.concat faults @ clientFaults

    /// The state for another configuration. Certificates that the one before had too may stay as they are
    /// where their files are wrong by now: that is no reason to refuse the rest. Gives the reasons with it.
    let next
        (now: DateTimeOffset)
        (before: TlsState)
        (config: TlsConfig)
        : Result<TlsState * FileFault list, FileFault list> =
        let known (files: CertificateFiles) =
            before.Certificates |> List.tryFind (fun old -> old.Files = files)

        let one files =
            match known files with
            | Some old when ServerCertificate.stamps files = old.Stamps -> Ok(old, [])
            | Some old ->
                match ServerCertificate.renew now old with
                | Ok renewed -> Ok(renewed, [])
                | Error fault -> Ok(old, [ fault ])
            | None -> ServerCertificate.read now files |> Result.map (fun read -> read, [])

        validation {
            let! certificates = config.Certificates |> List.traverseResultA one
            and! clients = authorityOf config |> Result.mapError List.singleton
            let certificates, faults = List.unzip certificates
            return build config certificates clients, List.concat faults
        }
