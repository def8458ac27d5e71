namespace Conduit.SystemTests

open System
open System.IO
open System.Net.Http
open System.Text.Json
open System.Threading.Tasks

/// A real Prometheus with the configuration and the rules of this repository, but scraping each second.
[<Sealed>]
type Prometheus(target: int) =

    let directory = new TemporaryDirectory()
    let port = Ports.free ()
    let client = new HttpClient(BaseAddress = Uri $"http://127.0.0.1:{port}")

    let provisioned file =
        Path.Combine(Programs.root.Value, "deploy/prometheus", file)

    let configuration =
        (File.ReadAllText(provisioned "prometheus.yml"))
            .Replace("localhost:8090", $"127.0.0.1:{target}")
            .Replace("interval: 15s", "interval: 1s")

    do
        File.WriteAllText(directory.File "prometheus.yml", configuration)
        File.Copy(provisioned "rules.yml", directory.File "rules.yml")

    let child =
        Child.Start(
            Programs.path Programs.prometheus,
            [
                "--config.file"
                directory.File "prometheus.yml"
                "--storage.tsdb.path"
                directory.Create "data"
                "--web.listen-address"
                $"127.0.0.1:{port}"
            ],
            []
        )

    let data (path: string) : Task<JsonElement> = task {
        use! answer = client.GetAsync path
        let! text = answer.Content.ReadAsStringAsync()

        if not answer.IsSuccessStatusCode then
            failwith $"{path}: {text}"

        return JsonDocument.Parse(text).RootElement.GetProperty "data"
    }

    /// Waits until it answers questions.
    member _.Ready() = task {
        let! _ = child.Listening port

        let! _ =
            Eventually.holds "Prometheus is ready" (TimeSpan.FromSeconds 20.0) (fun () -> task {
                child.RequireRunning()
                use! answer = client.GetAsync "/-/ready"
                return answer.IsSuccessStatusCode
            })

        return ()
    }

    /// How many series an expression gives at this moment.
    member _.Count(expression: string) = task {
        let! answer = data $"/api/v1/query?query={Uri.EscapeDataString expression}"
        return answer.GetProperty("result").GetArrayLength()
    }

    /// The health of each target.
    member _.Targets = task {
        let! answer = data "/api/v1/targets"

        return [
            for each in answer.GetProperty("activeTargets").EnumerateArray() ->
                string (each.GetProperty "health")
        ]
    }

    /// Each rule: its name, its expression and its health.
    member _.Rules = task {
        let! answer = data "/api/v1/rules"

        return [
            for group in answer.GetProperty("groups").EnumerateArray() do
                for rule in group.GetProperty("rules").EnumerateArray() do
                    string (rule.GetProperty "name"),
                    string (rule.GetProperty "query"),
                    string (rule.GetProperty "health")
        ]
    }

    interface IDisposable with
        member _.Dispose() =
            client.Dispose()
            (child :> IDisposable).Dispose()
            (directory :> IDisposable).Dispose()
