namespace Conduit.Server.Tests

open System
open System.IO
open System.Net
open System.Security.Cryptography
open System.Security.Cryptography.X509Certificates

/// What a test's certificate is made of.
type MadeCertificate = {
    Certificate: X509Certificate2
    /// Of the certificate and those above it, the root left out.
    Pem: string
    KeyPem: string
    /// The key behind the password `p4ssword`.
    LockedKeyPem: string
}

/// An authority that lives as long as a test does.
[<Sealed>]
type TestAuthority(name: string) =

    let root =
        use key = ECDsa.Create ECCurve.NamedCurves.nistP256
        let request = CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256)
        request.CertificateExtensions.Add(X509BasicConstraintsExtension(true, false, 0, true))
        request.CertificateExtensions.Add(X509SubjectKeyIdentifierExtension(request.PublicKey, false))
        let now = DateTimeOffset.UtcNow
        request.CreateSelfSigned(now.AddDays -100.0, now.AddDays 3650.0)

    let mutable serial = 0

    let sign
        (request: CertificateRequest)
        (key: AsymmetricAlgorithm)
        (usage: string)
        (names: string list)
        (from: DateTimeOffset)
        until
        =
        serial <- serial + 1
        request.CertificateExtensions.Add(X509BasicConstraintsExtension(false, false, 0, true))

        request.CertificateExtensions.Add(
            X509AuthorityKeyIdentifierExtension.CreateFromCertificate(root, true, false)
        )

        let usages = OidCollection()
        usages.Add(Oid usage) |> ignore
        request.CertificateExtensions.Add(X509EnhancedKeyUsageExtension(usages, false))
        let alternative = SubjectAlternativeNameBuilder()

        for name in names do
            match IPAddress.TryParse name with
            | true, NonNull address -> alternative.AddIpAddress address
            | _ -> alternative.AddDnsName name

        if not names.IsEmpty then
            request.CertificateExtensions.Add(alternative.Build())

        use issuer = root.GetECDsaPrivateKey() |> Unchecked.nonNull
        let generator = X509SignatureGenerator.CreateForECDsa issuer

        use signed =
            request.Create(root.SubjectName, generator, from, until, BitConverter.GetBytes serial)

        let pem = signed.ExportCertificatePem()

        {
            Certificate =
                X509Certificate2.CreateFromPem(pem.AsSpan(), key.ExportPkcs8PrivateKeyPem().AsSpan())
            Pem = pem + "\n" + root.ExportCertificatePem() + "\n"
            KeyPem = key.ExportPkcs8PrivateKeyPem() + "\n"
            LockedKeyPem =
                key.ExportEncryptedPkcs8PrivateKeyPem(
                    "p4ssword".AsSpan(),
                    PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000)
                )
        }

    let inTime () =
        DateTimeOffset.UtcNow.AddDays -1.0, DateTimeOffset.UtcNow.AddDays 90.0

    /// The root itself.
    member _.Pem = root.ExportCertificatePem()

    member _.Root = root

    /// A server's certificate with an ECDSA key.
    member _.Server(names: string list, ?from, ?until) =
        let early, late = inTime ()
        use key = ECDsa.Create ECCurve.NamedCurves.nistP256
        let request = CertificateRequest($"CN={names.Head}", key, HashAlgorithmName.SHA256)
        sign request key "1.3.6.1.5.5.7.3.1" names (defaultArg from early) (defaultArg until late)

    /// The same with an RSA key.
    member _.RsaServer(names: string list) =
        let early, late = inTime ()
        use key = RSA.Create 2048

        let request =
            CertificateRequest($"CN={names.Head}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)

        sign request key "1.3.6.1.5.5.7.3.1" names early late

    /// A client's certificate with the whole of its subject.
    member _.Client(subject: string) =
        let early, late = inTime ()
        use key = ECDsa.Create ECCurve.NamedCurves.nistP256
        let request = CertificateRequest(subject, key, HashAlgorithmName.SHA256)
        sign request key "1.3.6.1.5.5.7.3.2" [] early late

/// Files of certificates in a directory of their own.
[<Sealed>]
type CertificateDirectory() =

    let directory = Directory.CreateTempSubdirectory "conduit-certificates-"

    member _.Path name = Path.Combine(directory.FullName, name)

    /// Puts a file in place as a whole.
    member this.Write (name: string) (text: string) =
        let aside = this.Path(name + ".new")
        File.WriteAllText(aside, text)
        File.Move(aside, this.Path name, overwrite = true)
        this.Path name

    /// The certificate and its key as `NAME.pem` and `NAME.key`.
    member this.Put (name: string) (made: MadeCertificate) =
        this.Write $"{name}.pem" made.Pem |> ignore
        this.Write $"{name}.key" made.KeyPem |> ignore

    interface IDisposable with
        member _.Dispose() = directory.Delete true
