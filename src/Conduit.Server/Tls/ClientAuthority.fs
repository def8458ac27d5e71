namespace Conduit.Server

open System
open System.Net.Security
open System.Security.Cryptography.X509Certificates
open Conduit

/// Who may say who a client is.
[<ReferenceEquality>]
type ClientAuthority = {
    File: string
    Stamps: FileStamp option list
    Roots: X509Certificate2Collection
}

[<RequireQualifiedAccess>]
module ClientAuthority =

    let read (file: string) : Result<ClientAuthority, FileFault> =
        let stamp = FileStamp.read file

        ServerCertificate.readPem file
        |> Result.mapError (fun why -> { FileFault.File = file; Why = why })
        |> Result.map (fun roots -> {
            File = file
            Stamps = [ stamp ]
            Roots = roots
        })

    let private clientUsage = "1.3.6.1.5.5.7.3.2"

    /// Whether an authority of ours vouches for the certificate, for a client, today.
    let private vouches (authority: ClientAuthority) (certificate: X509Certificate2) sent =
        use chain = new X509Chain()
        let policy = chain.ChainPolicy
        policy.RevocationMode <- X509RevocationMode.NoCheck
        policy.DisableCertificateDownloads <- true
        policy.TrustMode <- X509ChainTrustMode.CustomRootTrust
        policy.CustomTrustStore.AddRange authority.Roots
        policy.ApplicationPolicy.Add(Security.Cryptography.Oid clientUsage) |> ignore

        match sent with
        | NonNull(sent: X509Chain) ->
            for element in sent.ChainElements do
                policy.ExtraStore.Add element.Certificate |> ignore
        | _ -> ()

        chain.Build certificate

    /// Refuses the handshake of a client with a certificate that no authority vouches for, or without one
    /// where it must have one.
    let validation authority mustHave =
        RemoteCertificateValidationCallback(fun _ certificate chain _ ->
            match certificate with
            | :? X509Certificate2 as certificate -> vouches authority certificate chain
            | _ -> not mustHave)
