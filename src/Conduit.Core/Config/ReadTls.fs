namespace Conduit

open System
open FsToolkit.ErrorHandling

/// Reads `listen.tls`.
[<RequireQualifiedAccess>]
module ReadTls =

    let private version: ReadText<TlsVersion> =
        Scalars.oneOf [ for name, version in TlsVersion.names -> name.ToLowerInvariant(), version ]

    let private suite: ReadText<string> =
        Scalars.oneOf [ for name in CipherSuite.known -> name.ToLowerInvariant(), name ]

    let private texts key reader place =
        Place.items key place
        |> Result.bind (List.traverseValidationA (Place.read reader))

    /// A certificate's own name or `*.example.com`: the first of all certificates is the one for all others.
    let private host: ReadText<HostPattern> =
        fun where text ->
            HostPattern.parse where text
            |> Result.bind (fun pattern ->
                match pattern with
                | HostPattern.Any ->
                    Error(
                        Fault.create
                            where
                            "'*' is no name that a client could ask for"
                            "put this certificate first: the first is for every name that no other is for"
                    )
                | pattern -> Ok pattern)

    /// The certificate whose files are named here, if one is.
    let private files readSecret (place: Place) : Validation<CertificateFiles option, Fault> = validation {
        let! certFile = place |> Place.optional "cert_file" Scalars.string
        and! keyFile = place |> Place.optional "key_file" Scalars.string

        and! password =
            place |> Place.optional "password" (Secret.read readSecret Secret.password)

        return
            certFile
            |> Option.map (fun certFile -> {
                CertFile = certFile
                KeyFile = keyFile
                Password = password
                Hosts = []
            })
    }

    let private certificate readSecret (place: Place) : Validation<CertificateFiles, Fault> = validation {
        let! () = Place.onlyKnown Keys.certificate place
        and! files = files readSecret place
        and! hosts = texts "hosts" host place

        let! files =
            match files with
            | Some files -> Ok files
            | None -> Error [ Place.fault place "has no cert_file" "name the file of the certificate" ]

        return { files with Hosts = hosts }
    }

    let private repeated place (certificates: CertificateFiles list) : Validation<unit, Fault> =
        certificates
        |> List.collect _.Hosts
        |> List.countBy id
        |> List.filter (fun (_, count) -> count > 1)
        |> List.map (fun (host, count) ->
            Place.fault
                place
                $"{Fault.quote (string host)} stands at {count} certificates"
                "keep one of them")
        |> function
            | [] -> Ok()
            | faults -> Error faults

    let private clientCertificates place : Validation<ClientCertificates, Fault> = validation {
        let kinds = [
            "none", (fun _ -> ClientCertificates.NotAsked)
            "optional", ClientCertificates.Optional
            "required", ClientCertificates.Required
        ]

        let! kind = place |> Place.optional "client_certificates" (Scalars.oneOf kinds)
        and! caFile = place |> Place.optional "client_ca_file" Scalars.string

        let! certificates =
            match kind |> Option.map (fun kind -> kind ""), caFile with
            | (None | Some ClientCertificates.NotAsked), _ -> Ok ClientCertificates.NotAsked
            | Some _, Some caFile -> Ok(kind.Value caFile)
            | Some _, None ->
                Error [
                    Place.fault
                        place
                        "asks for client certificates, and names no authority for them"
                        "set client_ca_file to a PEM file of the authorities that sign them"
                ]

        return certificates
    }

    /// What the section asks for; nothing unless it is enabled.
    let read readSecret (place: Place) : Validation<TlsConfig option, Fault> = validation {
        let! () = Place.onlyKnown Keys.tls place
        and! enabled = place |> Place.value "enabled" Scalars.boolean false
        and! first = files readSecret place

        and! others =
            Place.items "certificates" place
            |> Result.bind (List.traverseValidationA (certificate readSecret))

        and! interval =
            place
            |> Place.value
                "reload_interval"
                (Duration.parseAtLeast (TimeSpan.FromMilliseconds 50.0))
                TlsConfig.defaultReloadInterval

        and! least = place |> Place.optional "min_version" version
        and! most = place |> Place.value "max_version" version TlsConfig.defaultMaxVersion
        and! suites = texts "cipher_suites" suite place
        and! clients = clientCertificates place
        and! redirectPort = place |> Place.optional "redirect_port" Scalars.port
        and! http3Port = place |> Place.optional "http3_port" Scalars.port

        and! hsts = place |> Place.optional "hsts" (Scalars.whole 1 Int32.MaxValue)

        let certificates = Option.toList first @ others
        let least = least |> Option.defaultValue (min most TlsConfig.defaultMinVersion)

        let! () = repeated place certificates

        and! () =
            if least > most then
                Error [
                    Place.fault
                        place
                        $"min_version {TlsVersion.name least} is above max_version {TlsVersion.name most}"
                        "let min_version be the lower one"
                ]
            else
                Ok()

        and! () =
            if http3Port.IsSome && most < TlsVersion.Tls13 then
                Error [
                    Place.fault
                        place
                        $"http3_port is set, and max_version is {TlsVersion.name most}: HTTP/3 knows TLS 1.3 alone"
                        "take one of them out"
                ]
            else
                Ok()

        and! () =
            if enabled && certificates.IsEmpty then
                Error [
                    Place.fault
                        place
                        "TLS is asked for, and there is no certificate"
                        "set cert_file and key_file"
                ]
            else
                Ok()

        return
            if enabled then
                Some {
                    Certificates = certificates
                    ReloadInterval = interval
                    MinVersion = least
                    MaxVersion = most
                    CipherSuites = suites
                    ClientCertificates = clients
                    RedirectPort = redirectPort
                    Http3Port = http3Port
                    Hsts = hsts
                }
            else
                None
    }
