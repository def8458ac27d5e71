namespace Conduit.SystemTests

open System
open System.IO
open System.Net.Http
open System.Text.Json
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions

/// The access log, as it is rotated in the real world.
[<Collection(SystemCollection.name)>]
type AccessLogTests(output: ITestOutputHelper) =

    let seconds = TimeSpan.FromSeconds: float -> TimeSpan

    [<Fact>]
    member _.``each request has one whole line, while the file is rotated and its path changes``() = task {
        use directory = new TemporaryDirectory()
        use backends = new NginxGroup([ "nginx-1" ])
        do! backends.Start()
        let configuration = directory.File "conduit.yaml"
        let current = directory.File "access.log"

        let writeTo (file: string) =
            File.WriteAllText(
                configuration,
                $"access_log: {{ file: \"{file}\", format: json, fields: [status, target], queue: 100000 }}\n"
            )

        writeTo current
        use conduit = new Conduit(output, backends.Urls, [ "--config"; configuration ])
        do! conduit.Ready()
        let loading: Task<LoadResult> = Load.heyRequests 100_000 32 (conduit.Url "/load")

        let appears file =
            Eventually.holds $"{Path.GetFileName(file: string)} is there" (seconds 10.0) (fun () ->
                Task.FromResult(File.Exists file && FileInfo(file).Length > 0L))

        let! _ = appears current

        for turn in 1..3 do
            File.Move(current, directory.File $"access.log.{turn}")
            conduit.Signal Signal.User
            let! _ = appears current
            ()

        writeTo (directory.File "moved.log")
        conduit.Signal Signal.HangUp
        let! _ = appears (directory.File "moved.log")
        Assert.False(loading.IsCompleted, "the load has ended too soon")
        let! load = loading
        output.WriteLine $"load: {load}"
        Assert.Equal(0, load.Failures)

        let lines () = [|
            for file in Directory.GetFiles(directory.Path, "*.log*") do
                yield! File.ReadAllLines file
        |]

        let! _ =
            Eventually.holds "all lines are there" (seconds 10.0) (fun () ->
                Task.FromResult((lines ()).Length >= load.Answers))

        let all = lines ()
        Assert.Equal(load.Answers, all.Length)

        for line in all do
            use entry = JsonDocument.Parse line
            Assert.Equal(200, entry.RootElement.GetProperty("status").GetInt32())
            Assert.Equal("/load", entry.RootElement.GetProperty("target").GetString())

        use client = new HttpClient()
        let! metrics = client.GetStringAsync $"http://127.0.0.1:{conduit.AdminPort}/metrics"
        Assert.Contains("lb_access_log_lines_total{result=\"dropped\"} 0\n", metrics)
        let files = Directory.GetFiles(directory.Path, "*.log*").Length
        output.WriteLine $"{load.Answers} requests, {all.Length} lines in {files} files"
    }
