namespace Conduit.Server.Tests

open System
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

/// Seeing pools, backends and the configuration through the admin API, over real sockets.
module AdminApiTests =

    let private two = [ "http://10.0.0.1:8081;id=a"; "http://10.0.0.2:8081;id=b;weight=3" ]

    let private backends = "/api/v1/pools/default/backends"

    /// The part of an answer that shows windows in which nothing happened.
    let private quiet =
        let latency = """{"p50":null,"p90":null,"p99":null,"p99_9":null}"""

        let figures =
            $"{{\"requests_per_second\":0,\"errors_per_second\":0,\"error_ratio\":null,\"latency_ms\":{latency}}}"

        $"\"recent\":{{\"10s\":{figures},\"1m\":{figures},\"5m\":{figures}}}"

    let private problem (status: int) (name: string) (answer: AdminAnswer) =
        Assert.Equal(status, answer.Status)
        Assert.Equal("application/problem+json", answer.ContentType)
        Assert.Equal($"urn:problem-type:conduit:{name}", answer.Json.GetProperty("type").GetString())
        Assert.Equal(status, answer.Json.GetProperty("status").GetInt32())

    let private text (name: string) (answer: AdminAnswer) =
        answer.Json.GetProperty(name).ToString()

    [<Fact>]
    let ``a backend is shown with its figures`` () =
        AdminPorts.run two (fun port -> task {
            let gauge = (port.Target "b").Gauge
            gauge.Acquire()
            gauge.Acquire()
            gauge.Failed()
            gauge.Latency.Record(TimeSpan.FromMicroseconds 10.0)
            let id = (port.Target "b").Backend.Spec.Id

            let! _ =
                port.Ports.Agent.Update [
                    Event.InPool(PoolName.defaultPool, PoolEvent.Checked(id, Some "why"))
                ]

            let! answer = port.Get(AdminPorts.path "b")
            Assert.Equal(200, answer.Status)
            Assert.Equal("application/json", answer.ContentType)

            let expected =
                """{"id":"b","pool":"default","url":"http://10.0.0.2:8081","weight":3,"backup":false,"state":"ready","health":"down","breaker":"closed","""
                + """"available":false,"in_flight":2,"requests":2,"failures":1,"""
                + """"latency_ms":{"p50":0.01,"p90":0.01,"p99":0.01,"p99_9":0.01},"""
                + $"{quiet},"
                + """"last_failure":"why","last_failure_at":"2026-11-20T12:00:00+00:00","""
                + """"last_check_at":"2026-11-20T12:00:00+00:00","last_check_passed":false,"""
                + $""""since_seconds":3723,"etag":"{answer.Etag.Replace("\"", "\\\"")}"}}"""

            Assert.Equal(expected, answer.Text)
        })

    [<Fact>]
    let ``a backend that was not used yet has no latency and no failure`` () =
        AdminPorts.run two (fun port -> task {
            let! answer = port.Get(AdminPorts.path "a")
            Assert.Equal("unproven", text "health" answer)
            Assert.Equal("True", text "available" answer)
            Assert.Contains("\"last_failure\":null", answer.Text)

            Assert.Contains(
                "\"latency_ms\":{\"p50\":null,\"p90\":null,\"p99\":null,\"p99_9\":null}",
                answer.Text
            )
        })

    [<Fact>]
    let ``pools are listed and shown`` () =
        AdminPorts.run two (fun port -> task {
            let! pools = port.Get "/api/v1/pools"

            Assert.Equal(
                """{"pools":[{"name":"default","strategy":"round-robin","backends":2,"available":2,"in_flight":0,"requests":0,"failures":0,"""
                + $"{quiet}}}]}}",
                pools.Text
            )

            let! pool = port.Get "/api/v1/pools/default"
            Assert.Equal(2, pool.Json.GetProperty("health_check").GetProperty("rise").GetInt32())
            let! missing = port.Get "/api/v1/pools/web"
            problem 404 "no-such-pool" missing
        })

    [<Fact>]
    let ``ten thousand backends can be paged through, each once and in order`` () =
        let many = [ for i in 0..9_999 -> $"http://10.{i / 250}.0.{i % 250 + 1}:80;id=n{i}" ]

        AdminPorts.run many (fun port -> task {
            let mutable seen = []

            for offset in 0..1000..9000 do
                let! answer = port.Get $"{backends}?limit=1000&offset={offset}"
                Assert.Equal(10_000, answer.Json.GetProperty("total").GetInt32())

                seen <-
                    seen
                    @ [
                        for each in answer.Json.GetProperty("backends").EnumerateArray() ->
                            string (each.GetProperty("id").GetString())
                    ]

            Assert.Equal<string list>([ for i in 0..9_999 -> $"n{i}" ], seen)
            let! page = port.Get backends
            Assert.Equal(100, page.Json.GetProperty("backends").GetArrayLength())
            let! beyond = port.Get $"{backends}?offset=2147483647"
            Assert.Equal(0, beyond.Json.GetProperty("backends").GetArrayLength())
            let! last = port.Get(AdminPorts.path "n9999")
            Assert.Equal(200, last.Status)
        })

    [<Theory>]
    [<InlineData("limit=0")>]
    [<InlineData("limit=1001")>]
    [<InlineData("limit=ten")>]
    [<InlineData("limit=1&limit=2")>]
    [<InlineData("offset=-1")>]
    let ``a page that cannot be is refused`` (query: string) =
        AdminPorts.run two (fun port -> task {
            let! answer = port.Get $"{backends}?{query}"
            problem 422 "invalid" answer
            let fault = answer.Json.GetProperty("faults")[0]
            Assert.Equal(query.Split('=')[0], fault.GetProperty("where").GetString())

            Assert.Equal(
                "1 fault, told with what would be right",
                answer.Json.GetProperty("detail").GetString()
            )
        })

    [<Theory>]
    [<InlineData("GET")>]
    [<InlineData("DELETE")>]
    let ``a backend that is not there is not found`` (method: string) =
        AdminPorts.run two (fun port -> task {
            let! answer = port.Send method (AdminPorts.path "c") [] None
            problem 404 "no-such-backend" answer
        })

    [<Fact>]
    let ``paths and methods that are not there are problems too`` () =
        AdminPorts.run two (fun port -> task {
            let! path = port.Get "/api/v1/nothing"
            problem 404 "no-such-path" path
            let! method = port.Write "PUT" (AdminPorts.path "a") [] "{}"
            problem 405 "method" method
        })

    [<Fact>]
    let ``the configuration, its last failure and the differences are shown`` () =
        AdminPorts.run two (fun port -> task {
            let! config = port.Get "/api/v1/config"
            Assert.Equal("3", text "version" config)
            Assert.Equal("""{"port":3030}""", text "effective" config)
            let fault = config.Json.GetProperty("last_failure").GetProperty("faults")[0]
            Assert.Equal("is missing", fault.GetProperty("what").GetString())

            let! differences = port.Get "/api/v1/config/diff"

            Assert.Equal(
                """{"differences":[{"where":"pools.default.backends.a.weight","file":"1","runtime":null}]}""",
                differences.Text
            )
        })

    [<Fact>]
    let ``a reload tells what it changed, or every fault`` () = task {
        let ports = AdminPorts.ports (AdminPorts.defaultPool two)
        let reload = "/api/v1/reload"

        do!
            AdminPorts.runWith AdminAccess.local ports (fun port -> task {
                let! answer = port.Send "POST" reload [ "X-Conduit-Request", "1" ] None
                Assert.Equal(200, answer.Status)
                Assert.Equal("""{"version":4,"changes":["pools.default: backend b added"]}""", answer.Text)
            })

        let bad = {
            ports with
                Reload = fun () -> Task.FromResult(Error [ Fault.create "c.yaml:1:1" "is bad" "mend it" ])
        }

        do!
            AdminPorts.runWith AdminAccess.local bad (fun port -> task {
                let! answer = port.Send "POST" reload [ "X-Conduit-Request", "1" ] None
                problem 422 "reload-failed" answer
                Assert.Contains("c.yaml:1:1", answer.Text)
            })
    }

    [<Fact>]
    let ``a defect is told as one, and logged`` () = task {
        let broken = {
            AdminPorts.ports [] with
                ConfigStatus = fun () -> invalidOp "broken"
        }

        use log = new CapturedLog()

        let! admin =
            Admin.Start(Net.IPEndPoint(Net.IPAddress.Loopback, 0), AdminAccess.local, broken, log.Factory)

        use port = new AdminPort(admin, broken, log)
        let! answer = port.Get "/api/v1/config"
        problem 500 "defect" answer
        Assert.DoesNotContain("broken", answer.Text)
        Assert.Contains("broken", Assert.Single log.Errors)
    }
