namespace Conduit.Server.Tests

open System
open System.IO
open System.Text.Json
open Spectre.Console
open Xunit
open Conduit
open Conduit.Server
open Conduit.Server.Ctl

/// The commands of `conduit ctl`, against an admin port over real sockets.
module CtlTests =

    let private two = [ "http://10.0.0.1:8081;id=a"; "http://10.0.0.2:8081;id=b;weight=3" ]

    let private lines (text: string) =
        text.Split('\n', StringSplitOptions.RemoveEmptyEntries ||| StringSplitOptions.TrimEntries)
        |> Array.toList

    /// The words of the line that begins with a word.
    let private row (word: string) (text: string) =
        lines text
        |> List.map (fun line -> line.Split(' ', StringSplitOptions.RemoveEmptyEntries) |> Array.toList)
        |> List.find (fun words -> List.tryHead words = Some word)

    [<Fact>]
    let ``status shows the pools and the configuration`` () =
        AdminPorts.run two (fun port -> task {
            let! result = CtlRun.run port "status"
            Assert.Equal((0, ""), (result.Code, result.Errors))

            Assert.Equal<string list>(
                [ "default"; "round-robin"; "2"; "of"; "2"; "0"; "0"; "0" ],
                row "default" result.Out
            )

            Assert.Contains(
                "configuration 3 from /etc/conduit/conduit.yaml, loaded 2026-11-20 10:00:00Z",
                result.Out
            )

            Assert.Contains("conduit.yaml:1:1: lb_port: is missing; set it", result.Out)
        })

    [<Fact>]
    let ``backends shows a table whose columns stand in line`` () =
        AdminPorts.run two (fun port -> task {
            (port.Target "b").Gauge.Acquire()
            (port.Target "b").Gauge.Latency.Record(TimeSpan.FromMicroseconds 15.0)
            let! result = CtlRun.run port "backends"
            Assert.Equal(0, result.Code)

            Assert.Equal<string list>(
                [
                    "b"
                    "http://10.0.0.2:8081"
                    "ready"
                    "unproven"
                    "3"
                    "1"
                    "1"
                    "0"
                    "0.0"
                    "0.0"
                    "1h"
                ],
                row "b" result.Out
            )

            let columns (heading: string) =
                result.Out.Split '\n'
                |> Array.filter (fun line -> line.Contains "http://" || line.Contains "URL")
                |> Array.map (fun line ->
                    if line.Contains "URL" then
                        line.IndexOf "URL"
                    else
                        line.IndexOf "http://")
                |> Array.distinct
                |> Array.length
                |> fun count -> count, heading

            Assert.Equal((1, "URL"), columns "URL")
        })

    [<Fact>]
    let ``all pages of a large pool are shown`` () =
        let many = [ for i in 1..2_500 -> $"http://10.0.{i / 250}.{i % 250 + 1}:80;id=n{i}" ]

        AdminPorts.run many (fun port -> task {
            let! result = CtlRun.run port "backends --json"
            let backends = JsonDocument.Parse(result.Out).RootElement.GetProperty "backends"
            Assert.Equal(2_500, backends.GetArrayLength())
            Assert.Equal("n2500", backends[2_499].GetProperty("id").GetString())
        })

    [<Fact>]
    let ``a narrow table shortens what is long`` () =
        let screen = CtlScreen 100
        let long = String('x', 128)

        AdminPorts.run [ $"http://10.0.0.1:8081/{long};id={long}" ] (fun port -> task {
            use client = new ApiClient(Uri port.Url, None)

            match! client.Backends "default" with
            | Error failure -> failwith $"%A{failure}"
            | Ok backends -> screen.Console.Table(CtlTables.backends backends)

            Assert.All(screen.Out.Split '\n', fun line -> Assert.InRange(line.TrimEnd().Length, 0, 100))
            Assert.Contains("…", screen.Out)
            Assert.Contains("ready", screen.Out)
        })

    [<Theory>]
    [<InlineData("ready", "ready")>]
    [<InlineData("not-ready", "not-ready")>]
    [<InlineData("disable", "disabled")>]
    [<InlineData("drain", "draining")>]
    let ``a command sets the state`` (command: string, state: string) =
        AdminPorts.run two (fun port -> task {
            let! before = CtlRun.run port "not-ready a"
            Assert.Equal(0, before.Code)
            let! result = CtlRun.run port $"{command} a"
            Assert.Equal((0, $"a is {state}, weight 1, 0 in flight\n"), (result.Code, result.Out))
            Assert.Equal(Wire.toState state, Some (port.Target "a").Backend.Admin)
        })

    [<Fact>]
    let ``weight, add and remove change the pool`` () =
        AdminPorts.run two (fun port -> task {
            let! weight = CtlRun.run port "weight a 9"
            Assert.Equal((0, "a is ready, weight 9, 0 in flight\n"), (weight.Code, weight.Out))
            let! added = CtlRun.run port "add http://10.0.0.9:81/x --weight 2"
            Assert.Equal((0, "10.0.0.9:81/x is ready, weight 2, 0 in flight\n"), (added.Code, added.Out))
            let! named = CtlRun.run port "add http://10.0.0.10:81 --id=c --pool default --json"
            Assert.Equal("c", JsonDocument.Parse(named.Out).RootElement.GetProperty("id").GetString())
            let! backup = CtlRun.run port "add http://10.0.0.11:81 --id d --backup"
            Assert.Equal(0, backup.Code)
            let! table = CtlRun.run port "backends"
            Assert.Contains("backup", row "d" table.Out)
            Assert.DoesNotContain("backup", row "c" table.Out)
            let! _ = CtlRun.run port "remove d"
            let! removed = CtlRun.run port "remove 10.0.0.9:81/x"
            Assert.Equal((0, "10.0.0.9:81/x is removed\n"), (removed.Code, removed.Out))

            Assert.Equal<string list>(
                [ "a"; "b"; "c" ],
                [ for target in port.Targets -> BackendId.value target.Backend.Spec.Id ]
            )
        })

    [<Fact>]
    let ``reload and diff tell what they found`` () =
        AdminPorts.run two (fun port -> task {
            let! reload = CtlRun.run port "reload"

            Assert.Equal<string list>(
                [ "configuration 4 is in force"; "pools.default: backend b added" ],
                lines reload.Out
            )

            let! diff = CtlRun.run port "diff"

            Assert.Equal<string list>(
                [ "pools.default.backends.a.weight"; "1"; "-" ],
                row "pools.default.backends.a.weight" diff.Out
            )
        })

    [<Fact>]
    let ``drain waits until nothing is in flight, and says so`` () =
        AdminPorts.run two (fun port -> task {
            let gauge = (port.Target "a").Gauge
            gauge.Acquire()
            let draining = CtlRun.run port "drain a --wait"

            do!
                Eventually.holds "it drains" (fun () ->
                    (port.Target "a").Backend.Admin = AdminState.Draining)

            Assert.False draining.IsCompleted
            gauge.Release()
            let! result = draining
            Assert.Equal((0, "a is drained: 0 in flight\n"), (result.Code, result.Out))
        })

    [<Fact>]
    let ``a wait has an end`` () =
        AdminPorts.run two (fun port -> task {
            (port.Target "a").Gauge.Acquire()
            let! result = CtlRun.run port "drain a --wait --timeout 10ms"
            Assert.Equal((3, "a still has 1 in flight after 10ms\n"), (result.Code, result.Errors))
        })

    [<Fact>]
    let ``what is refused is told with its faults`` () =
        AdminPorts.run two (fun port -> task {
            let! missing = CtlRun.run port "drain x"

            Assert.Equal(
                (1, "No such backend: there is no backend 'x' in the pool 'default'\n"),
                (missing.Code, missing.Errors)
            )

            let! pool = CtlRun.run port "backends --pool=web"
            Assert.Equal((1, "No such pool: there is no pool 'web'\n"), (pool.Code, pool.Errors))
            let! fault = CtlRun.run port "add ftp://x"
            Assert.Equal(1, fault.Code)
            Assert.Contains("  url: 'ftp://x' has the scheme 'ftp'", fault.Errors)
        })

    [<Fact>]
    let ``the token comes from a flag, the environment or a file`` () =
        AdminPorts.runClosed two (fun port -> task {
            let url = "CONDUIT_ADMIN_URL", port.Url
            let! none = CtlRun.runIn [ url ] [ "status" ]

            Assert.Equal(
                (1, "A token is needed: send Authorization: Bearer TOKEN\n"),
                (none.Code, none.Errors)
            )

            let! flag =
                CtlRun.runIn [ url; "CONDUIT_TOKEN", "wrong" ] [ "status"; "--token"; AdminPorts.token ]

            Assert.Equal(0, flag.Code)
            let! variable = CtlRun.runIn [ url; "CONDUIT_TOKEN", AdminPorts.token ] [ "status" ]
            Assert.Equal(0, variable.Code)
            let file = Path.GetTempFileName()

            try
                File.WriteAllText(file, AdminPorts.token + "\n")
                let! read = CtlRun.runIn [ url; "CONDUIT_TOKEN", "file:" + file ] [ "status" ]
                Assert.Equal(0, read.Code)
            finally
                File.Delete file

            let! gone = CtlRun.runIn [ url; "CONDUIT_TOKEN", "file:" + file ] [ "status" ]
            Assert.Equal(1, gone.Code)
            Assert.StartsWith("CONDUIT_TOKEN: the file", gone.Errors)
        })

    [<Fact>]
    let ``nobody there is exit code 2`` () = task {
        use closed = new RefusingPort()
        let! result = CtlRun.runIn [] [ "status"; "--admin-url"; closed.Url ]
        Assert.Equal(2, result.Code)
        Assert.StartsWith($"cannot reach {closed.Url}: ", result.Errors)
    }

    [<Fact>]
    let ``something else that answers is told as that`` () = task {
        use backend = ScriptedBackend.Start(Script.always (Script.ok "<html>"))
        let! result = CtlRun.runIn [] [ "backends"; "--admin-url"; backend.Url ]

        Assert.Equal(
            (1, $"{backend.Url} answered 200, and not as an admin port does\n"),
            (result.Code, result.Errors)
        )
    }

    [<Theory>]
    [<InlineData("--admin-url=127.0.0.1:8090 status", "--admin-url: '127.0.0.1:8090' is not the URL")>]
    [<InlineData("--admin-url=http://h/path status", "--admin-url: 'http://h/path' is not the URL")>]
    [<InlineData("weight a heavy", "WEIGHT: 'heavy' is not a weight")>]
    [<InlineData("drain a --wait --timeout 5", "--timeout: '5' is not a duration")>]
    [<InlineData("add http://h --weight 257", "--weight: the weight 257 is out of range")>]
    [<InlineData("drian a", "unrecognized argument: 'drian' (did you mean drain?)")>]
    [<InlineData("drain", "missing argument '<ID>'")>]
    let ``a wrong command line is exit code 1, and asks nobody`` (line: string, words: string) = task {
        let! result = CtlRun.runIn [] (List.ofArray (line.Split ' '))
        Assert.Equal(1, result.Code)
        Assert.Contains(words, result.Errors)
    }

    [<Fact>]
    let ``help has examples and exit codes`` () = task {
        let! result = CtlRun.runIn [] [ "--help" ]
        Assert.Equal((0, ""), (result.Code, result.Errors))

        for words in
            [
                "drain app-1 --wait"
                "EXIT CODES"
                "--admin-url"
                "CONDUIT_TOKEN"
                "not-ready"
            ] do
            Assert.Contains(words, result.Out)

        let! drain = CtlRun.runIn [] [ "drain"; "--help" ]
        Assert.Contains("--timeout", drain.Out)
    }

    [<Fact>]
    let ``where there is no terminal there are no colours`` () =
        let console = CtlConsole.OfProcess()
        Assert.Equal(not Console.IsOutputRedirected, console.IsTerminal)
        Assert.True(console.IsTerminal || not console.Ansi.Profile.Capabilities.Ansi)
