namespace Conduit.SystemTests

open System
open System.Globalization
open System.IO
open System.Net.Http
open System.Security.Cryptography
open System.Security.Cryptography.X509Certificates
open System.Text.Json
open System.Text.RegularExpressions
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions

/// Metrics, as the programs read them for which they are made.
[<Collection(SystemCollection.name)>]
type MetricsTests(output: ITestOutputHelper) =

    let seconds = TimeSpan.FromSeconds: float -> TimeSpan
    let checks = [ "--health-path"; "/alive"; "--health-interval"; "500ms" ]

    let file name = Path.Combine(Programs.root.Value, name)

    let exposition (conduit: Conduit) = task {
        use client = new HttpClient()
        return! client.GetStringAsync $"http://127.0.0.1:{conduit.AdminPort}/metrics"
    }

    let series (text: string) =
        text.Split '\n' |> Array.filter (fun line -> line <> "" && line[0] <> '#')

    /// The sum of a family.
    let sum (family: string) text =
        series text
        |> Seq.filter _.StartsWith(family + "{")
        |> Seq.sumBy (fun line -> Int64.Parse(Array.last (line.Split ' '), CultureInfo.InvariantCulture))

    let counted conduit (expected: int64) = task {
        let mutable text = ""

        let! _ =
            Eventually.holds $"{expected} requests are counted" (seconds 10.0) (fun () -> task {
                let! now = exposition conduit
                text <- now
                return sum "lb_requests_total" now >= expected
            })

        Assert.Equal(expected, sum "lb_requests_total" text)
        return text
    }

    /// The families that the document describes.
    let documented =
        Regex.Matches(
            File.ReadAllText(file "docs/metrics.md"),
            @"^\| `([a-z0-9_]+)` \| (counter|gauge|histogram) \|",
            RegexOptions.Multiline
        )
        |> Seq.map (fun found -> found.Groups[1].Value, found.Groups[2].Value)
        |> Seq.toList

    /// The expressions of all panels of the dashboard.
    let panels =
        use document =
            JsonDocument.Parse(File.ReadAllText(file "deploy/grafana/dashboards/conduit.json"))

        [
            for panel in document.RootElement.GetProperty("panels").EnumerateArray() do
                match panel.TryGetProperty "targets" with
                | true, targets ->
                    for target in targets.EnumerateArray() ->
                        (string (target.GetProperty "expr")).Replace("$pool", "default")
                | _ -> ()
        ]

    /// What an alert compares, without the comparison: it has no data while all is well.
    let compared (query: string) =
        (Regex.Split(query, @" (?:==|>|<) ") |> Array.head).Trim()

    let promtool (arguments: string) input = task {
        let! ended =
            Child.Run(
                "/bin/sh",
                [ "-c"; $"exec {Programs.path Programs.promtool} {arguments} < {input}" ],
                [],
                seconds 20.0
            )

        let said = String.concat "\n" (ended.Output @ ended.Errors)
        Assert.True((ended.ExitCode = 0), $"promtool {arguments}: {said}")
    }

    /// A configuration with a certificate that it makes.
    let secured (directory: TemporaryDirectory) =
        use key = ECDsa.Create ECCurve.NamedCurves.nistP256

        use certificate =
            CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256)
                .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays -1.0, DateTimeOffset.UtcNow.AddDays 30.0)

        File.WriteAllText(directory.File "cert.pem", certificate.ExportCertificatePem())
        File.WriteAllText(directory.File "key.pem", key.ExportPkcs8PrivateKeyPem())

        File.WriteAllText(
            directory.File "conduit.yaml",
            $"""listen: {{ tls: {{ enabled: true, cert_file: "{directory.File "cert.pem"}", key_file: "{directory.File "key.pem"}" }} }}
"""
        )

        [ "--config"; directory.File "conduit.yaml" ]

    [<Fact>]
    member _.``Prometheus scrapes all that is documented, and every panel and rule has data``() = task {
        use directory = new TemporaryDirectory()
        use backends = new NginxGroup([ "nginx-1"; "nginx-2" ])
        do! backends.Start()
        use conduit = new Conduit(output, backends.Urls, checks @ secured directory)
        do! conduit.Ready()
        use prometheus = new Prometheus(conduit.AdminPort)
        do! prometheus.Ready()

        let loading: Task<LoadResult> =
            Load.wrkFor 15 16 $"https://127.0.0.1:{conduit.Port}/load"

        let! _ =
            Eventually.holds "the target is up" (seconds 10.0) (fun () -> task {
                let! targets = prometheus.Targets
                return targets = [ "up" ]
            })

        let has expression = task {
            let! _ =
                Eventually.holds $"there is data for {expression}" (seconds 15.0) (fun () -> task {
                    let! count = prometheus.Count expression
                    return count > 0
                })

            ()
        }

        for family, kind in documented do
            do! has (if kind = "histogram" then family + "_count" else family)

        for expression in panels do
            do! has expression

        let! rules = prometheus.Rules

        for name, query, health in rules do
            do! has (compared query)
            Assert.True((health <> "err"), $"{name}: {health}")

        output.WriteLine
            $"{documented.Length} families, {panels.Length} expressions of panels and {rules.Length} rules have data"

        Assert.True(documented.Length > 40 && panels.Length > 30 && rules.Length > 10)
        let! load = loading
        output.WriteLine $"load: {load}"

        let! text = exposition conduit
        File.WriteAllText(directory.File "metrics", text)
        do! promtool "check metrics" (directory.File "metrics")
        do! promtool $"""check config {file "deploy/prometheus/prometheus.yml"}""" "/dev/null"
        do! promtool $"""check rules {file "deploy/prometheus/rules.yml"}""" "/dev/null"
        do! promtool $"""test rules {file "deploy/prometheus/rules.test.yml"}""" "/dev/null"
    }

    [<Fact>]
    member _.``every request is counted once, through a kill, retries, a removal and reloads``() = task {
        use directory = new TemporaryDirectory()
        use backends = new NginxGroup([ "nginx-1"; "nginx-2"; "nginx-3" ])
        do! backends.Start()
        let configuration = directory.File "conduit.yaml"
        File.WriteAllText(configuration, "strategy: round-robin\n")

        use conduit =
            new Conduit(output, backends.Urls, checks @ [ "--config"; configuration ])

        do! conduit.Ready()
        let total = 160_000

        let loading: Task<LoadResult> = Load.heyRequests total 64 (conduit.Url "/load")

        let answered (server: Nginx) atLeast =
            Eventually.holds "the load goes on" (seconds 20.0) (fun () ->
                Task.FromResult(server.Count "/load" > atLeast))

        let reloaded (strategy: string) = task {
            File.WriteAllText(configuration, $"strategy: {strategy}\n")
            conduit.Signal Signal.HangUp

            let! _ =
                Eventually.holds $"{strategy} is in force" (seconds 10.0) (fun () -> task {
                    use client = new HttpClient()

                    let! effective =
                        client.GetStringAsync $"http://127.0.0.1:{conduit.AdminPort}/api/v1/config"

                    return effective.Contains $"\"{strategy}\""
                })

            ()
        }

        let! _ = answered backends.Servers[0] 500
        backends.Servers[1].Kill()
        do! reloaded "least-connections"

        use client =
            new HttpClient(BaseAddress = Uri $"http://127.0.0.1:{conduit.AdminPort}")

        use! removed =
            client.DeleteAsync $"/api/v1/pools/default/backends/127.0.0.1:{backends.Servers[0].Port}"

        Assert.True removed.IsSuccessStatusCode
        do! reloaded "random"
        Assert.False(loading.IsCompleted, "the load has ended too soon")
        let! load = loading
        output.WriteLine $"load: {load}"
        Assert.Equal(0, load.Failures)
        let! text = counted conduit (int64 load.Answers)
        let retried = sum "lb_backend_retries_total" text
        let tried = sum "lb_backend_tries_total" text
        output.WriteLine $"{load.Answers} requests made and counted, in {tried} tries, {retried} tried again"
        Assert.True(retried > 0L)
        Assert.Equal(int64 load.Answers, tried - retried)
    }

    [<Fact>]
    member _.``a hundred thousand methods, paths and headers of clients add no series``() = task {
        use backends = new NginxGroup([ "nginx-1" ])
        do! backends.Start()
        use conduit = new Conduit(output, backends.Urls, checks)
        do! conduit.Ready()
        use client = new HttpClient()

        // Letters alone: to nginx a method with digits is none.
        let letters (number: int) =
            String(
                string number
                |> Seq.map (fun digit -> char (int 'A' + int digit - int '0'))
                |> Seq.toArray
            )

        let strange (number: int) = task {
            use request =
                new HttpRequestMessage(HttpMethod("Z" + letters number), conduit.Url $"/{number}?{number}")

            request.Headers.Add($"X-{number}", string number)
            request.Headers.Add("User-Agent", string number)
            use! answer = client.SendAsync request
            return int answer.StatusCode
        }

        let! first = strange 0
        Assert.Equal(200, first)
        let! before = exposition conduit
        let total = 100_000

        do!
            Parallel.ForEachAsync(
                seq { 1..total },
                ParallelOptions(MaxDegreeOfParallelism = 16),
                fun number _ ->
                    ValueTask(
                        task {
                            let! status = strange number
                            Assert.Equal(200, status)
                        }
                        :> Task
                    )
            )

        let! after = counted conduit (int64 total + 1L)

        let names text =
            series text
            |> Array.map (fun line -> line.Substring(0, line.LastIndexOf ' '))
            |> set

        output.WriteLine
            $"{total} requests, {(names before).Count} series before, {(names after).Count} after"

        Assert.Equal<Set<string>>(names before, names after)
    }
