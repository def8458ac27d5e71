namespace Conduit.Bench

open System
open System.IO
open System.Net
open System.Security.Cryptography
open System.Security.Cryptography.X509Certificates

/// A certificate for 127.0.0.1 in the shapes that servers want.
type Certificate = {
    CertFile: string
    KeyFile: string
    /// Certificate and key in one.
    PemFile: string
    PfxFile: string
}

[<RequireQualifiedAccess>]
module Certificate =

    /// Makes one for a day, with an RSA key of 2048 bits.
    let make (directory: string) : Certificate =
        use key = RSA.Create 2048

        let request =
            CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)

        let names = SubjectAlternativeNameBuilder()
        names.AddDnsName "localhost"
        names.AddIpAddress IPAddress.Loopback
        request.CertificateExtensions.Add(names.Build())
        let now = DateTimeOffset.UtcNow
        use certificate = request.CreateSelfSigned(now.AddMinutes -5.0, now.AddDays 1.0)
        let file name = Path.Combine(directory, name)

        let cert, secret =
            certificate.ExportCertificatePem() + "\n", key.ExportPkcs8PrivateKeyPem() + "\n"

        let made = {
            CertFile = file "cert.pem"
            KeyFile = file "key.pem"
            PemFile = file "both.pem"
            PfxFile = file "both.pfx"
        }

        File.WriteAllText(made.CertFile, cert)
        File.WriteAllText(made.KeyFile, secret)
        File.WriteAllText(made.PemFile, cert + secret)
        File.WriteAllBytes(made.PfxFile, certificate.Export X509ContentType.Pfx)
        made
