namespace Conduit.Server

open System
open System.IO
open System.Net.Security
open System.Security.Cryptography
open System.Security.Cryptography.X509Certificates
open System.Text
open FsToolkit.ErrorHandling
open Conduit

/// Why a file cannot be served from.
type FileFault = { File: string; Why: string }

/// A certificate that was checked and can be served.
[<ReferenceEquality>]
type ServerCertificate = {
    Files: CertificateFiles
    /// Of its files, taken before they were read.
    Stamps: FileStamp option list
    /// With the certificates that go with it to a client.
    Context: SslStreamCertificateContext
    /// Whom it is for.
    Hosts: HostPattern list
    NotAfter: DateTimeOffset
    /// Whether it leads to a root, one that the system knows or one in its file.
    IsComplete: bool
}

/// Reading certificates, with all that can be wrong with them as values.
[<RequireQualifiedAccess>]
module ServerCertificate =

    /// Larger files are a mistake.
    let private largest = 1024L * 1024L

    let private readBytes (path: string) : Result<byte[], string> =
        try
            if FileInfo(path).Length > largest then
                Error $"{path} is larger than 1 MiB"
            else
                Ok(File.ReadAllBytes path)
        with
        | :? FileNotFoundException
        | :? DirectoryNotFoundException -> Error $"{path} does not exist"
        | :? IOException
        | :? UnauthorizedAccessException -> Error $"{path} cannot be read"

    /// The certificates of a PEM file.
    let readPem (path: string) : Result<X509Certificate2Collection, string> = result {
        let! bytes = readBytes path

        try
            let found = X509Certificate2Collection()
            found.ImportFromPem((Encoding.Latin1.GetString bytes).AsSpan())

            if found.Count = 0 then
                return! Error $"{path} holds no PEM certificate"
            else
                return found
        with :? CryptographicException ->
            return! Error $"{path} holds a certificate that cannot be read"
    }

    let private isPem (bytes: byte[]) =
        bytes.AsSpan().IndexOf("-----BEGIN "B) >= 0

    let private isEncrypted (key: string) = key.Contains "ENCRYPTED"

    /// Whether a password is that of the encrypted key in a PEM text.
    let private opens (key: string) (password: string) =
        let opensAs (algorithm: AsymmetricAlgorithm) =
            use algorithm = algorithm

            try
                algorithm.ImportFromEncryptedPem(key.AsSpan(), password.AsSpan())
                true
            with
            | :? CryptographicException
            | :? ArgumentException -> false

        opensAs (ECDsa.Create()) || opensAs (RSA.Create())

    /// The first certificate of a PEM text with its key, and all the others.
    let private ofPem (files: CertificateFiles) (certificates: string) (key: string) keyPath =
        let fault what = Error what

        try
            let leaf =
                match files.Password with
                | _ when not (key.Contains "PRIVATE KEY-----") -> fault $"{keyPath} holds no key"
                | Some password when isEncrypted key ->
                    Ok(
                        X509Certificate2.CreateFromEncryptedPem(
                            certificates.AsSpan(),
                            key.AsSpan(),
                            password.Reveal().AsSpan()
                        )
                    )
                | None when isEncrypted key -> fault $"the key in {keyPath} has a password, and none is given"
                | _ -> Ok(X509Certificate2.CreateFromPem(certificates.AsSpan(), key.AsSpan()))

            leaf
            |> Result.map (fun leaf ->
                let others = X509Certificate2Collection()
                others.ImportFromPem(certificates.AsSpan())
                others.RemoveAt 0
                leaf, others)
        with
        | :? ArgumentException
        | :? CryptographicException ->
            match files.Password with
            | Some password when isEncrypted key && not (opens key (password.Reveal())) ->
                fault $"the password of {keyPath} is wrong"
            | _ -> fault $"the key in {keyPath} is not that of the certificate"

    let private ofPfx (files: CertificateFiles) (bytes: byte[]) =
        let password =
            match files.Password with
            | Some password -> password.Reveal()
            | None -> ""

        try
            let all = X509CertificateLoader.LoadPkcs12Collection(bytes, password)

            match all |> Seq.tryFind _.HasPrivateKey with
            | Some leaf ->
                all.Remove leaf
                Ok(leaf, all)
            | None -> Error $"{files.CertFile} holds no key"
        with :? CryptographicException ->
            Error $"{files.CertFile} is neither PEM nor a PFX that the password opens"

    let private load (files: CertificateFiles) = result {
        let! bytes = readBytes files.CertFile

        if not (isPem bytes) then
            return! ofPfx files bytes
        else
            let certificates = Encoding.Latin1.GetString bytes

            match files.KeyFile with
            | None -> return! ofPem files certificates certificates files.CertFile
            | Some keyFile ->
                let! key = readBytes keyFile
                return! ofPem files certificates (Encoding.Latin1.GetString key) keyFile
    }

    let private name (certificate: X509Certificate2) =
        Fault.quote (certificate.GetNameInfo(X509NameType.SimpleName, false))

    let private inTime (now: DateTimeOffset) (path: string) (certificate: X509Certificate2) =
        let day (time: DateTime) =
            time.ToUniversalTime().ToString "yyyy-MM-dd HH:mm:ss"

        if now.UtcDateTime > certificate.NotAfter.ToUniversalTime() then
            Error $"the certificate {name certificate} in {path} expired at {day certificate.NotAfter} UTC"
        elif now.UtcDateTime < certificate.NotBefore.ToUniversalTime() then
            Error
                $"the certificate {name certificate} in {path} is not valid before {day certificate.NotBefore} UTC"
        else
            Ok()

    /// Whether the certificate leads to a root, by way of those that come with it.
    let private isComplete (leaf: X509Certificate2) (others: X509Certificate2Collection) =
        use chain = new X509Chain()
        let policy = chain.ChainPolicy
        policy.RevocationMode <- X509RevocationMode.NoCheck
        policy.DisableCertificateDownloads <- true
        policy.VerificationFlags <- X509VerificationFlags.AllFlags
        policy.ExtraStore.AddRange others
        chain.Build leaf |> ignore

        not (
            chain.ChainStatus
            |> Array.exists (fun status -> status.Status.HasFlag X509ChainStatusFlags.PartialChain)
        )

    /// The names in the certificate: those of its extension, or else its common name.
    let private namesIn (certificate: X509Certificate2) =
        let alternative =
            certificate.Extensions
            |> Seq.tryPick (function
                | :? X509SubjectAlternativeNameExtension as names -> Some names
                | _ -> None)

        match alternative with
        | Some names -> List.ofSeq (names.EnumerateDnsNames())
        | None -> [ certificate.GetNameInfo(X509NameType.SimpleName, false) ]
        |> List.choose (HostPattern.parse "" >> Result.toOption)

    let stamps (files: CertificateFiles) =
        files.CertFile :: Option.toList files.KeyFile |> List.map FileStamp.read

    let private readChecked
        (now: DateTimeOffset)
        (files: CertificateFiles)
        : Result<ServerCertificate, string> = result {
        let stamps = stamps files
        let! leaf, others = load files

        do!
            Seq.append [ leaf ] others
            |> Seq.toList
            |> List.traverseResultM (inTime now files.CertFile)
            |> Result.ignore

        return {
            Files = files
            Stamps = stamps
            Context = SslStreamCertificateContext.Create(leaf, others, offline = true)
            Hosts = if files.Hosts.IsEmpty then namesIn leaf else files.Hosts
            NotAfter = DateTimeOffset leaf.NotAfter
            IsComplete = isComplete leaf others
        }
    }

    let private inFile (files: CertificateFiles) why = { File = files.CertFile; Why = why }

    /// Reads the files and checks what is in them: the key is the certificate's, and every certificate is
    /// valid at `now`.
    let read now files : Result<ServerCertificate, FileFault> =
        readChecked now files |> Result.mapError (inFile files)

    /// The new version of a certificate; not one whose chain has come apart.
    let renew now (old: ServerCertificate) : Result<ServerCertificate, FileFault> =
        read now old.Files
        |> Result.bind (fun renewed ->
            if old.IsComplete && not renewed.IsComplete then
                Error(
                    inFile
                        old.Files
                        $"{old.Files.CertFile} leads to no root any more: a certificate between them is missing"
                )
            else
                Ok renewed)
