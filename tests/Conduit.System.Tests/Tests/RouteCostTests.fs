namespace Conduit.SystemTests

open System
open System.Diagnostics
open System.IO
open Xunit
open Xunit.Abstractions

/// What the number of routes costs a request.
[<Collection(SystemCollection.name)>]
type RouteCostTests(output: ITestOutputHelper) =

    let rounds = 6
    let seconds = 1
    let connections = 16

    /// Paths, hosts and headers, as a large installation has them; the request takes the last path.
    let configuration (port: int) (admin: int) (backend: string) routes =
        String.concat "\n" [
            $"listen: {{ host: 127.0.0.1, port: {port} }}"
            $"admin: {{ port: {admin} }}"
            $"pools: {{ web: {{ backends: [\"{backend}\"] }} }}"
            "routes:"
            for index in 1..routes do
                match index % 3 with
                | 0 -> $"  - {{ host: h{index}.example.com, pool: web }}"
                | 1 -> $"  - {{ path: /team/{index}/*, pool: web }}"
                | _ -> $"  - {{ path: /team/{index}/*, headers: {{ X-Tenant: t{index} }}, pool: web }}"
            ""
        ]

    let start (directory: TemporaryDirectory) (backend: string) routes = task {
        let port, admin = Ports.free (), Ports.free ()
        let file = Path.Combine(directory.Path, $"{routes}.yaml")
        File.WriteAllText(file, configuration port admin backend routes)
        let child = Executable.start [ "--config"; file ] []
        do! Executable.ready child admin
        return child, $"http://127.0.0.1:{port}/team/{routes}/x"
    }

    /// Microseconds of processor time that a request costs.
    let cost (child: Child, url: string) = task {
        use conduit = Process.GetProcessById child.Id
        let before = conduit.TotalProcessorTime
        let! result = Load.wrkFor seconds connections url
        conduit.Refresh()
        Assert.Equal(0, result.Failures)
        return (conduit.TotalProcessorTime - before).TotalMicroseconds / float result.Answers
    }

    [<Fact>]
    member _.``a thousand routes cost a request no more than ten do, within 10 percent``() = task {
        use directory = new TemporaryDirectory()
        use nginx = new Nginx("web")
        do! nginx.Start()
        // The last route of both is one of a path alone.
        let! few = start directory nginx.Url 10
        use _ = fst few
        let! many = start directory nginx.Url 1000
        use _ = fst many
        let costs = ResizeArray<float * float>()

        // The first two rounds warm up.
        for round in 1 .. rounds + 2 do
            let! ofFew = cost few
            let! ofMany = cost many

            if round > 2 then
                costs.Add(ofFew, ofMany)

        let least (figure: float * float -> float) = costs |> Seq.map figure |> Seq.min
        let ratio = least snd / least fst

        output.WriteLine
            $"10 routes: {least fst:F1} µs a request, 1000 routes: {least snd:F1} µs, {ratio:F3} times"

        Assert.True(ratio < 1.10, $"%A{List.ofSeq costs}")
    }
