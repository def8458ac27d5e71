namespace Conduit.Server.Tests

open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

/// Every write, tried in every way that must not work.
module AdminSafetyTests =

    let private two = [ "http://10.0.0.1:8081;id=a"; "http://10.0.0.2:8081;id=b" ]

    let private json = "Content-Type", "application/json"
    let private token = "Authorization", $"Bearer {AdminPorts.token}"

    /// Method, path, headers and body of every write that there is, as it would be let through.
    let private writes = [
        "POST", "/api/v1/pools/default/backends", [ json ], Some """{"url":"http://10.0.0.9"}"""
        "PATCH", AdminPorts.path "a", [ json ], Some """{"weight":9}"""
        "DELETE", AdminPorts.path "b", [], None
        "POST", "/api/v1/reload", [ "X-Conduit-Request", "1" ], None
        "POST", "/api/toggle-backend", [ json ], Some """{"url":"http://10.0.0.1:8081","enable":false}"""
    ]

    let private reads = [
        "/api/v1/pools"
        "/api/v1/pools/default"
        "/api/v1/pools/default/backends"
        AdminPorts.path "a"
        "/api/v1/config"
        "/api/v1/config/diff"
        "/api/v1/events"
        "/api/v1/live"
        "/api/v1/reload"
        "/api/v1/openapi.json"
        "/api/status"
    ]

    let private refused (status: int) (name: string) (answer: AdminAnswer) =
        Assert.Equal(status, answer.Status)
        Assert.Equal($"urn:problem-type:conduit:{name}", answer.Json.GetProperty("type").GetString())

    /// Tries every write with other headers, and sees that nothing changed.
    let private allRefused
        status
        name
        (change: (string * string) list -> (string * string) list)
        (port: AdminPort)
        : Task = task {
        let version = port.Ports.Agent.Current.Version

        for method, path, headers, body in writes do
            let! answer = port.Send method path (change headers) body
            refused status name answer

        Assert.Equal(version, port.Ports.Agent.Current.Version)
    }

    [<Fact>]
    let ``the list of writes has every route that is no read`` () =
        let ports = AdminPorts.ports []

        let routes =
            AdminRoutes.all ports System.Threading.CancellationToken.None
            |> List.filter (fun route -> route.Methods <> [ "GET" ])

        Assert.Equal(writes.Length, routes.Length)

    [<Fact>]
    let ``each write works as it should be sent`` () =
        AdminPorts.runClosed two (fun port -> task {
            for method, path, headers, body in writes do
                let! answer = port.Send method path (token :: headers) body
                Assert.InRange(answer.Status, 200, 204)
        })

    [<Fact>]
    let ``without the token nothing is written and nothing is read`` () =
        AdminPorts.runClosed two (fun port -> task {
            do! allRefused 401 "no-token" id port

            do!
                allRefused
                    401
                    "wrong-token"
                    (fun rest -> ("Authorization", "Bearer no-token-of-the-tests") :: rest)
                    port

            do! allRefused 401 "wrong-token" (fun rest -> ("Authorization", AdminPorts.token) :: rest) port

            for path in reads do
                let! answer = port.Get path
                refused 401 "no-token" answer
                Assert.StartsWith("Bearer", answer.Header "WWW-Authenticate")
        })

    [<Fact>]
    let ``where nothing may be changed, nothing is, whoever asks`` () =
        let access = {
            AdminPorts.closed with
                ReadOnly = true
        }

        AdminPorts.runWith access (AdminPorts.ports (AdminPorts.defaultPool two)) (fun port -> task {
            do! allRefused 403 "read-only" (fun rest -> token :: rest) port
            let! answer = port.Send "GET" "/api/v1/pools" [ token ] None
            Assert.Equal(200, answer.Status)
        })

    [<Fact>]
    let ``the token is in no line of the log`` () =
        AdminPorts.runClosed two (fun port -> task {
            let! _ =
                port.Send "POST" "/api/v1/reload" [ token; "Origin", "http://evil.example" ] None

            let! _ = port.Send "GET" "/api/v1/pools" [ "Authorization", AdminPorts.token ] None
            Assert.Equal(2, port.Log.Warnings.Length)
            Assert.All(port.Log.Lines, fun line -> Assert.DoesNotContain(AdminPorts.token, line.Text))
        })

    [<Theory>]
    [<InlineData("http://evil.example")>]
    [<InlineData("http://localhost:3000")>]
    [<InlineData("null")>]
    let ``a page of another origin writes nothing, whether or not it has the token`` (origin: string) =
        let from rest = ("Origin", origin) :: rest

        task {
            do! AdminPorts.run two (allRefused 403 "foreign-origin" from)
            do! AdminPorts.runClosed two (allRefused 403 "foreign-origin" (from >> List.append [ token ]))
        }

    [<Theory>]
    [<InlineData("evil.example")>]
    [<InlineData("localhost.evil.example:8090")>]
    let ``a name that was bound to this address does not help`` (host: string) =
        let named rest = ("Host", host) :: rest

        AdminPorts.run two (fun port -> task {
            do! allRefused 403 "foreign-host" named port

            for path in reads do
                let! answer = port.Send "GET" path (named []) None
                refused 403 "foreign-host" answer
        })

    [<Fact>]
    let ``a name that is listed does`` () =
        let access = {
            AdminAccess.local with
                Hosts = [ "conduit.internal" ]
        }

        AdminPorts.runWith access (AdminPorts.ports []) (fun port -> task {
            let! answer =
                port.Send "GET" "/api/v1/pools" [ "Host", "Conduit.Internal:8090" ] None

            Assert.Equal(200, answer.Status)
        })

    [<Theory>]
    [<InlineData("cross-site")>]
    [<InlineData("same-site")>]
    let ``what another site caused is refused`` (site: string) =
        AdminPorts.run two (allRefused 403 "foreign-site" (fun rest -> ("Sec-Fetch-Site", site) :: rest))

    [<Theory>]
    [<InlineData("application/x-www-form-urlencoded")>]
    [<InlineData("multipart/form-data; boundary=x")>]
    [<InlineData("text/plain")>]
    let ``a form writes nothing`` (contentType: string) =
        let typed rest =
            ("Content-Type", contentType) :: List.filter ((<>) json) rest

        AdminPorts.run two (allRefused 415 "not-json" typed)

    [<Fact>]
    let ``a POST that any page could send is refused`` () =
        AdminPorts.run two (fun port -> task {
            let! reload = port.Send "POST" "/api/v1/reload" [] None
            refused 403 "unmarked" reload

            let! untyped =
                port.Send "POST" "/api/v1/pools/default/backends" [] (Some """{"url":"http://h"}""")

            refused 415 "not-json" untyped
        })

    [<Fact>]
    let ``no question of a browser is answered with yes`` () =
        AdminPorts.run two (fun port -> task {
            let! answer =
                port.Send
                    "OPTIONS"
                    (AdminPorts.path "a")
                    [ "Origin", port.Url; "Access-Control-Request-Method", "PATCH" ]
                    None

            Assert.Equal(405, answer.Status)
            Assert.Equal("", answer.Header "Access-Control-Allow-Origin")
        })

    [<Fact>]
    let ``health is open to all, and every answer is protected`` () =
        AdminPorts.runClosed two (fun port -> task {
            for path in [ "/livez"; "/readyz"; "/healthz"; "/stats"; "/api/v1/pools"; "/nothing" ] do
                let! answer = port.Send "GET" path [ "Host", "conduit.default.svc" ] None

                let expected =
                    if path.StartsWith "/api" then 403
                    elif path = "/nothing" then 404
                    else 200

                Assert.Equal(expected, answer.Status)
                Assert.Equal("nosniff", answer.Header "X-Content-Type-Options")
                Assert.Equal("no-store", answer.Header "Cache-Control")
                Assert.Equal("", answer.Header "Server")
        })
