namespace Conduit.Server.Tests

open System.Net
open FsCheck.FSharp
open Xunit
open Conduit
open Conduit.Server

/// What the guard of the admin port lets through, as a pure decision.
module AdminGuardTests =

    let private secret = "0123456789abcdef"

    let private token =
        match Secret.token "test" secret |> Result.map AdminToken.OfSecret with
        | Ok token -> token
        | Error fault -> failwith (Fault.render fault)

    let private opened = {
        AdminAccess.local with
            Hosts = [ "conduit.internal" ]
    }

    let private closed = { opened with Token = Some token }

    /// What curl sends to change a backend.
    let private patch: RequestFacts = {
        Method = "PATCH"
        Path = "/api/v1/pools/default/backends/a"
        Host = "127.0.0.1:8090"
        Origin = None
        FetchSite = None
        ContentType = Some "application/json"
        HasBody = true
        Authorization = None
        Marked = false
    }

    let private read = {
        patch with
            Method = "GET"
            ContentType = None
            HasBody = false
    }

    let private bare = { read with Method = "POST" }

    let private withToken facts = {
        facts with
            Authorization = Some $"Bearer {secret}"
    }

    let private ownHosts = [
        "127.0.0.1:8090"
        "localhost:8090"
        "LOCALHOST"
        "[::1]:8090"
        "192.168.1.5:8090"
        "conduit.internal:8090"
    ]

    let private foreignHosts = [
        ""
        "evil.example"
        "evil.example:8090"
        "localhost.evil.example"
        "127.0.0.1.evil.example"
        "conduit.internal.evil.example"
        "user@localhost"
        "evil.example/localhost"
        "evil.example\\@localhost"
        "localhost:8090,evil.example"
    ]

    let private formTypes = [
        "application/x-www-form-urlencoded"
        "multipart/form-data; boundary=x"
        "text/plain"
        "text/plain; application/json"
        "application/jsonp"
        ""
    ]

    let private optional values =
        Gen.elements (None :: List.map Some values)

    /// Any request to the API, by whomever.
    let private anything = gen {
        let! method =
            Gen.elements [ "GET"; "HEAD"; "OPTIONS"; "POST"; "PUT"; "PATCH"; "DELETE"; "PURGE" ]

        let! path =
            Gen.elements [ patch.Path; "/api/v1/reload"; "/API/toggle-backend"; "/api" ]

        let! host = Gen.elements (ownHosts @ foreignHosts)

        let! origin =
            optional [ $"http://{host}"; "http://evil.example"; "null"; "http://localhost:3000" ]

        let! site = optional [ "none"; "same-origin"; "same-site"; "cross-site"; "new-word" ]

        let! contentType =
            optional ("application/json" :: "Application/JSON; charset=utf-8" :: formTypes)

        let! hasBody = Gen.elements [ true; false ]

        let! authorization =
            optional [ $"Bearer {secret}"; "Bearer 0123456789abcdee"; "Basic YTpi"; "" ]

        let! marked = Gen.elements [ true; false ]

        return {
            Method = method
            Path = path
            Host = host
            Origin = origin
            FetchSite = site
            ContentType = contentType
            HasBody = hasBody
            Authorization = authorization
            Marked = marked
        }
    }

    let private isRefused access facts = (Guard.refusal access facts).IsSome

    [<Fact>]
    let ``without the token nothing of the API is let through`` () =
        Seeded.forAll anything (fun facts ->
            facts.Authorization = Some $"Bearer {secret}" || isRefused closed facts)

    [<Fact>]
    let ``what a page can send without asking is never let through as a write`` () =
        let forged = gen {
            let! facts = anything
            let! contentType = optional formTypes

            return {
                facts with
                    Method = "POST"
                    ContentType = contentType
                    Authorization = None
                    Marked = false
            }
        }

        Seeded.forAll forged (isRefused opened)

    [<Fact>]
    let ``a foreign host, origin or site is refused whatever else is right`` () =
        let foreign = gen {
            let! facts = anything
            let! host = Gen.elements foreignHosts

            let! origin =
                Gen.elements [ "http://evil.example"; "null"; "https://127.0.0.1"; "http://127.0.0.1:1" ]

            let! site = Gen.elements [ "cross-site"; "same-site" ]

            return!
                Gen.elements [
                    { facts with Host = host }
                    {
                        facts with
                            Host = "127.0.0.1:8090"
                            Origin = Some origin
                    }
                    { facts with FetchSite = Some site }
                ]
        }

        Seeded.forAll foreign (fun facts -> isRefused opened facts && isRefused closed (withToken facts))

    [<Fact>]
    let ``the token opens what is open without one, and nothing more`` () =
        Seeded.forAll anything (fun facts ->
            let facts = withToken facts
            Guard.refusal closed facts = Guard.refusal opened facts)

    [<Fact>]
    let ``where nothing may be changed, no write is let through and every read as before`` () =
        Seeded.forAll anything (fun facts ->
            let isRead = List.contains facts.Method [ "GET"; "HEAD"; "OPTIONS" ]

            [ opened; closed ]
            |> List.forall (fun access ->
                let refusal = Guard.refusal { access with ReadOnly = true } facts

                match Guard.refusal access facts with
                | None -> refusal = (if isRead then None else Some Refusal.ReadOnly)
                | before -> refusal = before))

    [<Fact>]
    let ``a read from this machine needs nothing`` () =
        for host in ownHosts do
            Assert.Equal(None, Guard.refusal opened { read with Host = host })

    [<Fact>]
    let ``hosts that are not ours are refused`` () =
        for host in foreignHosts do
            Assert.Equal(Some Refusal.ForeignHost, Guard.refusal opened { read with Host = host })

    [<Fact>]
    let ``own pages may write, also behind a proxy that ends TLS`` () =
        for host, origin in
            [
                "127.0.0.1:8090", "http://127.0.0.1:8090"
                "[::1]:8090", "http://[::1]:8090"
                "conduit.internal", "https://conduit.internal"
                "conduit.internal:80", "http://conduit.internal"
            ] do
            let facts = {
                patch with
                    Host = host
                    Origin = Some origin
                    FetchSite = Some "same-origin"
            }

            Assert.Equal(None, Guard.refusal opened facts)

    [<Fact>]
    let ``a write with a body is JSON`` () =
        for contentType in formTypes do
            Assert.Equal(
                Some Refusal.NotJson,
                Guard.refusal
                    closed
                    (withToken {
                        patch with
                            ContentType = Some contentType
                    })
            )

        Assert.Equal(Some Refusal.NotJson, Guard.refusal opened { patch with ContentType = None })

        let charset = {
            patch with
                ContentType = Some "application/json; charset=utf-8"
        }

        Assert.Equal(None, Guard.refusal opened charset)

    [<Fact>]
    let ``a POST without a body says that it is no form`` () =
        Assert.Equal(Some Refusal.Unmarked, Guard.refusal opened bare)
        Assert.Equal(None, Guard.refusal opened { bare with Marked = true })
        Assert.Equal(None, Guard.refusal closed (withToken bare))
        Assert.Equal(None, Guard.refusal opened { bare with Method = "DELETE" })

    [<Fact>]
    let ``a missing token and a wrong one are told apart`` () =
        Assert.Equal(Some Refusal.NoToken, Guard.refusal closed read)

        for authorization in
            [
                "Bearer nonsense"
                secret
                "Basic " + secret
                "Bearer"
                "Bearer " + secret + "0"
            ] do
            let facts = {
                read with
                    Authorization = Some authorization
            }

            Assert.Equal(Some Refusal.WrongToken, Guard.refusal closed facts)

        let lower = {
            read with
                Authorization = Some("bearer  " + secret)
        }

        Assert.Equal(None, Guard.refusal closed lower)

    [<Fact>]
    let ``health, statistics and metrics are open to reading, and to nothing else`` () =
        for path in [ "/livez"; "/readyz"; "/healthz"; "/stats"; "/metrics"; "/apis" ] do
            let facts = {
                read with
                    Path = path
                    Host = "conduit.example"
            }

            Assert.Equal(None, Guard.refusal closed facts)
            Assert.True(isRefused closed { facts with Method = "POST" })

    [<Fact>]
    let ``a token is long, can be sent, and is never shown`` () =
        Assert.Equal("***", string token)
        Assert.DoesNotContain(secret, $"%A{closed}")

        for text in
            [
                ""
                "fifteen-letters"
                "sixteen letters!"
                "sixteen-letters\u00e9"
                "line\nbreak-line-break"
            ] do
            match Secret.token "admin.token" text with
            | Ok _ -> failwith text
            | Error fault ->
                Assert.Equal("admin.token", fault.Where)
                Assert.True(text = "" || not ((Fault.render fault).Contains text))
