namespace Conduit.SystemTests

open System
open System.Text.RegularExpressions
open Xunit
open Xunit.Abstractions

/// Everything in one process, as the first command of the README starts it.
[<Collection(SystemCollection.name)>]
type DemoTests(output: ITestOutputHelper) =

    let patience = TimeSpan.FromSeconds 30.0

    /// What the last line of each backend says: its name, its state and its requests.
    let shown (child: Child) =
        child.Tail
        |> List.collect (fun line -> [
            for found in Regex.Matches(line, @"^(app-\d)\s+(\S+).* requests\s+(\d+)") ->
                found.Groups[1].Value, (found.Groups[2].Value, int found.Groups[3].Value)
        ])
        |> Map.ofList

    [<Fact>]
    member _.``the demo shows three backends at work, the slow one with less, and a signal ends it``() = task {
        let port, admin = Ports.free (), Ports.free ()

        use child =
            Executable.start [ "demo"; "--port"; string port; "--admin-port"; string admin ] []

        let! elapsed =
            Eventually.holds "each backend has served some" patience (fun () -> task {
                child.RequireRunning()
                let all = shown child
                return all.Count = 3 && all |> Map.forall (fun _ (_, requests) -> requests > 100)
            })

        let all = shown child
        output.WriteLine $"after {elapsed.TotalSeconds:F1} s: %A{Map.toList all}"
        Assert.All(all, fun (KeyValue(_, (state, _))) -> Assert.Equal("up", state))
        let requests name = snd all[name]
        Assert.True(requests "app-3" < requests "app-1" && requests "app-3" < requests "app-2")

        child.Send Signal.Terminate
        let! ended = child.End patience
        Assert.Equal(0, ended.ExitCode)
        Assert.Empty ended.Errors
        let! answers = Eventually.answers port
        Assert.False answers
    }
