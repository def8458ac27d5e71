namespace Conduit.Server.Tests

open System
open Xunit
open Conduit
open Conduit.Server

/// The protocol of existing dashboards.
module AdminDashboardTests =

    let private two = [ "http://10.0.0.1:8081;id=a"; "http://10.0.0.2:8081;id=b" ]

    let private toggle (port: AdminPort) body =
        port.Write "POST" "/api/toggle-backend" [] body

    [<Fact>]
    let ``the status has the names and the order that dashboards know`` () =
        AdminPorts.run two (fun port -> task {
            let gauge = (port.Target "a").Gauge
            gauge.Acquire()
            gauge.Latency.Record(TimeSpan.FromMicroseconds 4.0)
            gauge.Latency.Record(TimeSpan.FromMicroseconds 8.0)
            let! answer = port.Get "/api/status"
            Assert.Equal("application/json; charset=utf-8", answer.ContentType)

            let at = "2026-11-20T12:00:00Z"

            let name id n =
                $"\"Name\":\"{id}\",\"URL\":\"http://10.0.0.{n}:8081\",\"IsAlive\":true,\"IsReady\":true"

            let backend id n (requests: int) (mean: string) =
                $"{{{name id n},\"RequestCount\":{requests},\"ErrorCount\":0,\"AvgResponseMs\":{mean},"
                + $"\"LastCheckedAt\":\"{at}\",\"ResponseStatus\":\"Ready\"}}"

            let expected =
                "{\"LoadBalancer\":{\"Uptime\":\"1h2m3s\",\"ActiveBackends\":2,\"TotalBackends\":2,"
                + "\"RequestCount\":1,\"IsHealthy\":true},\"Backends\":["
                + backend "a" 1 1 "0.006"
                + ","
                + backend "b" 2 0 "0"
                + $"],\"LastUpdated\":\"{at}\"}}"

            Assert.Equal(expected, answer.Text)
        })

    [<Fact>]
    let ``a backend is taken out of the traffic and put back`` () =
        AdminPorts.run two (fun port -> task {
            let! out = toggle port """{"url":"http://10.0.0.1:8081","enable":false}"""
            Assert.Equal((200, "{\"success\": true}\n"), (out.Status, out.Text))
            Assert.Equal("application/json", out.ContentType)
            Assert.Equal(AdminState.NotReady, (port.Target "a").Backend.Admin)
            Assert.Equal(1, port.Ports.Agent.Current.Pools[0].Available.Length)

            let! status = port.Get "/api/status"
            let first = status.Json.GetProperty("Backends")[0]
            Assert.Equal("Not Ready", first.GetProperty("ResponseStatus").GetString())
            Assert.False(first.GetProperty("IsReady").GetBoolean())

            let! back = toggle port """{"url":"http://10.0.0.1:8081/","enable":true}"""
            Assert.Equal(200, back.Status)
            Assert.Equal(AdminState.Ready, (port.Target "a").Backend.Admin)
        })

    [<Theory>]
    [<InlineData("")>]
    [<InlineData("{}")>]
    [<InlineData("{\"url\":\"http://10.0.0.1:8081\"}")>]
    [<InlineData("{\"url\":\"http://10.0.0.1:8081\",\"enable\":\"no\"}")>]
    [<InlineData("{\"url\":\"http://10.0.0.3:8081\",\"enable\":false}")>]
    [<InlineData("{\"url\":\"file:///etc/passwd\",\"enable\":false}")>]
    let ``what names no backend is invalid`` (body: string) =
        AdminPorts.run two (fun port -> task {
            let! answer = toggle port body
            Assert.Equal((400, "Invalid request\n"), (answer.Status, answer.Text))
            Assert.Equal("text/plain; charset=utf-8", answer.ContentType)
            Assert.Equal(2, port.Ports.Agent.Current.Pools[0].Available.Length)
        })

    [<Fact>]
    let ``a URL that is no backend is never called`` () = task {
        use backend = ScriptedBackend.Start(Script.always (Script.ok ""))

        do!
            AdminPorts.run two (fun port -> task {
                let! answer = toggle port $"""{{"url":"{backend.Url}","enable":false}}"""
                Assert.Equal(400, answer.Status)
                Assert.Equal(0, backend.Connections)
            })
    }

    [<Fact>]
    let ``other methods are told so`` () =
        AdminPorts.run two (fun port -> task {
            let! answer = port.Get "/api/toggle-backend"
            Assert.Equal((405, "Method not allowed\n"), (answer.Status, answer.Text))
            Assert.Equal("POST", answer.Header "Allow")
        })

    [<Theory>]
    [<InlineData(59.9, "59s")>]
    [<InlineData(60.0, "1m0s")>]
    [<InlineData(90061.0, "25h1m1s")>]
    let ``uptime is written as Go does`` (seconds: float, text: string) =
        Assert.Equal(text, DashboardProtocol.goDuration (TimeSpan.FromSeconds seconds))
