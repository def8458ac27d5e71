namespace Conduit.Server

open System.Net.Security
open System.Security.Cryptography.X509Certificates
open FsToolkit.ErrorHandling
open Conduit

/// What a pool's TLS towards backends goes by, read from its files.
[<ReferenceEquality>]
type BackendTrust = {
    Stamps: FileStamp option list
    /// Null for the authorities of the system.
    Roots: X509Certificate2Collection | null
    /// Null for none.
    Certificate: SslStreamCertificateContext | null
}

[<RequireQualifiedAccess>]
module BackendTrust =

    let private files (tls: BackendTls) =
        List.choose id [ tls.CaFile; tls.CertFile; tls.KeyFile ]

    let stamps tls = files tls |> List.map FileStamp.read

    let private certificate now (tls: BackendTls) : Result<SslStreamCertificateContext | null, string> =
        match tls.CertFile with
        | None -> Ok null
        | Some certFile ->
            let files = {
                CertFile = certFile
                KeyFile = tls.KeyFile
                Password = None
                Hosts = []
            }

            match ServerCertificate.read now files with
            | Ok read -> Ok read.Context
            | Error fault -> Error fault.Why

    let private roots (tls: BackendTls) : Result<X509Certificate2Collection | null, string> =
        match tls.CaFile with
        | None -> Ok null
        | Some file ->
            match ServerCertificate.readPem file with
            | Ok roots -> Ok roots
            | Error why -> Error why

    let read now (tls: BackendTls) : Result<BackendTrust, string> = result {
        let stamps = stamps tls

        let! roots = roots tls

        let! certificate = certificate now tls

        return {
            Stamps = stamps
            Roots = roots
            Certificate = certificate
        }
    }

    /// What is wrong with the files of any pool.
    let faults now (config: Config) : Fault list =
        config.Pools
        |> List.choose (fun pool ->
            match read now pool.Settings.Upstream.Tls with
            | Ok _ -> None
            | Error why ->
                Some(
                    Fault.create
                        $"pools.{PoolName.value pool.Name}.tls"
                        why
                        "put it right, or name another file"
                ))
