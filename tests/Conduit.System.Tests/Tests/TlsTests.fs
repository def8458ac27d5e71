namespace Conduit.SystemTests

open System
open System.IO
open System.Text.Json
open Xunit
open Xunit.Abstractions
open Conduit.Server.Tests

/// What testssl.sh thinks of the default listener.
[<Collection(SystemCollection.name)>]
type TlsTests(output: ITestOutputHelper) =

    /// Of the test's own certificate, of which nobody has heard and which cannot be revoked.
    let ofTheTest = [
        "cert_chain_of_trust"
        "cert_revocation"
        "cert_expirationStatus"
        "cert_notAfter"
    ]

    /// Such as show that what they stand for was looked at.
    let looked = [
        "SSLv3"
        "TLS1_2"
        "TLS1_3"
        "ALPN_HTTP2"
        "cipherlist_3DES_IDEA"
        "cipherlist_STRONG"
        "cipher_order"
        "heartbleed"
        "ROBOT"
        "secure_client_renego"
        "POODLE_SSL"
        "LUCKY13"
    ]

    let severe = set [ "MEDIUM"; "HIGH"; "CRITICAL"; "FATAL" ]

    let findings (file: string) = [
        use document = JsonDocument.Parse(File.ReadAllText file)

        for finding in document.RootElement.EnumerateArray() do
            let text (name: string) =
                finding.GetProperty(name).GetString() |> string

            text "id", text "severity", text "finding"
    ]

    [<Fact>]
    member _.``testssl finds nothing of severity MEDIUM or higher in the default listener``() = task {
        use! backend = SampleBackend.Start "a"
        use directory = new CertificateDirectory()
        let authority = TestAuthority "Conduit's system tests"
        directory.Put "server" (authority.Server [ "localhost"; "127.0.0.1" ])

        use conduit =
            ConfiguredConduit.OverTls(
                output,
                directory.Path "server",
                "",
                [ $"backends: [\"{backend.Url}\"]" ]
            )

        do! conduit.Ready()
        let report = directory.Path "report.json"

        // Protocols, suites, forward secrecy, preferences, the certificate and the known vulnerabilities. The
        // headers of the responses are the backend's.
        let options =
            "--quiet --color 0 --nodns none --warnings off -p -s -f -P -S -U --jsonfile"

        let! ended =
            Child.Run(
                Programs.path Programs.testssl,
                List.ofArray (options.Split ' ')
                @ [ report; $"https://127.0.0.1:{conduit.Port}/" ],
                [],
                TimeSpan.FromMinutes 4.0
            )

        let found = findings report
        let ids = found |> List.map (fun (id, _, _) -> id)
        let unseen = looked |> List.filter (fun id -> not (List.contains id ids))

        if not unseen.IsEmpty then
            let report = String.concat "\n" ended.Output
            failwith $"testssl did not look at {unseen}:\n{report}"

        let wrong =
            found
            |> List.filter (fun (id, severity, _) ->
                severe.Contains severity && not (List.contains id ofTheTest))

        output.WriteLine $"testssl: {found.Length} findings"
        Assert.Empty wrong
    }
