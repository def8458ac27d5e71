namespace Conduit.SystemTests

open System
open System.Collections.Generic
open System.Diagnostics
open System.IO
open System.Net.Http
open System.Text.Json
open Xunit
open Xunit.Abstractions

/// A pool as large as any: it loads, its one changed line takes effect, and the API pages through it.
[<Collection(SystemCollection.name)>]
type LargePoolTests(output: ITestOutputHelper) =

    let size = 10_000
    let reloads = 20
    /// Processor time of a reload, in milliseconds.
    let most = 200.0
    let patience = TimeSpan.FromSeconds 30.0
    let client = new HttpClient()

    /// Addresses of the loopback where nothing listens. All are checked once, at the start.
    let configuration (port: int) (admin: int) (weight: int) =
        String.concat "\n" [
            $"listen: {{ host: 127.0.0.1, port: {port} }}"
            $"admin: {{ port: {admin} }}"
            "pools:"
            "  web:"
            "    health_check: { interval: 1h, timeout: 1s }"
            "    backends:"
            for index in 0 .. size - 1 do
                let host = $"127.1.{index / 250}.{index % 250 + 1}"
                let own = if index = 7 then weight else 1
                $"      - {{ id: b{index}, url: http://{host}:9, weight: {own} }}"
            ""
        ]

    let get (admin: int) (path: string) = task {
        let! text = client.GetStringAsync $"http://127.0.0.1:{admin}/api/v1{path}"
        return JsonDocument.Parse(text).RootElement
    }

    let weight admin = task {
        let! backend = get admin "/pools/web/backends/b7"
        return backend.GetProperty("weight").GetInt32()
    }

    let processorTime (id: int) =
        use child = Process.GetProcessById id
        child.TotalProcessorTime.TotalMilliseconds

    /// Waits until a tenth of a second costs the program next to nothing.
    let quiet (id: int) =
        Eventually.holds "the checks are over" patience (fun () -> task {
            let before = processorTime id
            do! System.Threading.Tasks.Task.Delay 100
            return processorTime id - before < 10.0
        })

    let idsOf (page: JsonElement) = [
        for backend in page.GetProperty("backends").EnumerateArray() -> string (backend.GetProperty "id")
    ]

    [<Fact>]
    member _.``a pool of 10,000 backends loads, reloads one change, and its API pages through``() = task {
        use directory = new TemporaryDirectory()
        let file = Path.Combine(directory.Path, "conduit.yaml")
        let port, admin = Ports.free (), Ports.free ()
        File.WriteAllText(file, configuration port admin 1)
        use child = Executable.start [ "--config"; file ] []

        let! loading =
            Eventually.holds "it is up" patience (fun () -> task {
                let! status = Stats.tryStatus admin "/livez"
                return status = Some 200
            })

        let! _ = quiet child.Id
        let costs = ResizeArray<float>()

        for turn in 1..reloads do
            let before = processorTime child.Id
            File.WriteAllText(file + ".new", configuration port admin (turn + 1))
            File.Move(file + ".new", file, overwrite = true)
            child.Send Signal.HangUp

            let! _ =
                Eventually.holds "the change is in force" patience (fun () -> task {
                    let! weight = weight admin
                    return weight = turn + 1
                })

            let! _ = quiet child.Id
            costs.Add(processorTime child.Id - before)

        let median = costs |> Seq.skip (reloads / 2) |> Seq.sort |> Seq.item (reloads / 4)
        let listed = String.Join(", ", costs |> Seq.map (fun cost -> $"{cost:F0}"))
        output.WriteLine $"up after {loading.TotalMilliseconds:F0} ms"
        output.WriteLine $"processor time of each reload, with what asks for its end: {listed} ms"
        output.WriteLine $"median of the second half, once warm: {median:F0} ms"
        Assert.True(median < most, $"a reload costs {median:F0} ms")

        let ids = HashSet<string>()

        for offset in 0..1000 .. size - 1 do
            let! page = get admin $"/pools/web/backends?offset={offset}&limit=1000"
            idsOf page |> List.iter (ids.Add >> ignore)

        Assert.Equal(size, ids.Count)
    }
