// Certificates to try TLS with: an authority of one's own, and a server certificate that it has signed.
//
//     dotnet fsi scripts/generate-certs.fsx [DIRECTORY] [NAME ...]
//
// Writes ca.crt, server.crt and server.key into the directory (certs), good for a year, for the names and addresses (localhost,
// 127.0.0.1 and ::1). The authority's own key is not kept, so nobody can sign with it later.
open System
open System.IO
open System.Net
open System.Security.Cryptography
open System.Security.Cryptography.X509Certificates

let directory, names =
    match fsi.CommandLineArgs |> Array.toList |> List.tail with
    | [] -> "certs", [ "localhost"; "127.0.0.1"; "::1" ]
    | [ directory ] -> directory, [ "localhost"; "127.0.0.1"; "::1" ]
    | directory :: names -> directory, names

let from = DateTimeOffset.UtcNow.AddMinutes -5.0
let until = from.AddDays 365.0

let request (name: string) (key: ECDsa) =
    CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256)

let authorityKey = ECDsa.Create ECCurve.NamedCurves.nistP256

let authority =
    let request = request "Conduit test authority" authorityKey
    request.CertificateExtensions.Add(X509BasicConstraintsExtension(true, true, 0, true))
    request.CertificateExtensions.Add(X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true))
    request.CertificateExtensions.Add(X509SubjectKeyIdentifierExtension(request.PublicKey, false))
    request.CreateSelfSigned(from, until)

let serverKey = ECDsa.Create ECCurve.NamedCurves.nistP256

let server =
    let request = request names.Head serverKey
    let alternatives = SubjectAlternativeNameBuilder()

    for name in names do
        match IPAddress.TryParse name with
        | true, address -> alternatives.AddIpAddress address
        | _ -> alternatives.AddDnsName name

    request.CertificateExtensions.Add(alternatives.Build())
    request.CertificateExtensions.Add(X509BasicConstraintsExtension(false, false, 0, true))
    request.CertificateExtensions.Add(X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true))

    let uses = OidCollection()
    // Authentication of servers.
    uses.Add(Oid "1.3.6.1.5.5.7.3.1") |> ignore
    request.CertificateExtensions.Add(X509EnhancedKeyUsageExtension(uses, false))

    request.CertificateExtensions.Add(
        X509AuthorityKeyIdentifierExtension.CreateFromCertificate(authority, true, false)
    )

    request.Create(authority, from, until, RandomNumberGenerator.GetBytes 16)

Directory.CreateDirectory directory |> ignore
let path name = Path.Combine(directory, name)
File.WriteAllText(path "ca.crt", authority.ExportCertificatePem() + "\n")
File.WriteAllText(path "server.crt", server.ExportCertificatePem() + "\n")

let options =
    FileStreamOptions(
        Mode = FileMode.Create,
        Access = FileAccess.Write,
        // Only for who runs this.
        UnixCreateMode = (UnixFileMode.UserRead ||| UnixFileMode.UserWrite)
    )

let writeKey () =
    use writer = new StreamWriter(path "server.key", options)
    writer.Write(serverKey.ExportPkcs8PrivateKeyPem() + "\n")

writeKey ()

let all = String.concat ", " names
printfn $"""{path "server.crt"} and {path "server.key"} for {all}; clients trust {path "ca.crt"}"""
