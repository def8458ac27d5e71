namespace Conduit.Server.Tests

open System
open System.Net
open Conduit.Server.Sample
open Xunit

/// Flags and variables of `conduit backend`.
module BackendSettingsTests =

    /// The environment that holds just these variables.
    let private env variables name =
        List.tryFind (fst >> (=) name) variables |> Option.map snd

    [<Fact>]
    let ``without flags and variables there are defaults`` () =
        let expected: BackendSettings = {
            Host = IPAddress.Any
            Port = 8081
            Name = "machine"
            Delay = TimeSpan.Zero
        }

        match BackendSettings.from "machine" (env []) BackendFlags.none with
        | Ok settings -> Assert.Equal(expected, settings)
        | Error faults -> failwith $"%A{faults}"

    [<Fact>]
    let ``flags beat the environment, and the more particular variable wins`` () =
        let variables = [
            "SERVER_PORT", "7001"
            "PORT", "7002"
            "SERVER_NAME", ""
            "HOSTNAME", "container"
        ]

        let read flags =
            match BackendSettings.from "machine" (env variables) flags with
            | Ok settings -> settings.Port, settings.Name, string settings.Host
            | Error faults -> failwith $"%A{faults}"

        Assert.Equal((7001, "container", "0.0.0.0"), read BackendFlags.none)

        Assert.Equal(
            (0, "mine", "::1"),
            read {
                BackendFlags.none with
                    Port = Some "0"
                    Name = Some "mine"
                    Host = Some "::1"
            }
        )

    [<Fact>]
    let ``every fault is told, with the place it stands in`` () =
        let flags = {
            BackendFlags.none with
                Host = Some "8081"
                Name = Some "two words"
                Delay = Some "5"
        }

        match BackendSettings.from "machine" (env [ "PORT", "65536" ]) flags with
        | Ok settings -> failwith $"%A{settings}"
        | Error faults ->
            Assert.Equal<string list>([ "PORT"; "--host"; "--name"; "--delay" ], faults |> List.map _.Where)

    [<Theory>]
    [<InlineData("--port=1 --host=2 --name=3 --delay=4")>]
    [<InlineData("--port 1 --host 2 --name 3 --delay 4")>]
    [<InlineData("-port=1 -host 2 -name=3 -delay 4")>]
    let ``flags are written with one dash or two, with a space or an equals sign`` (line: string) =
        let parser = Argu.ArgumentParser.Create<BackendArgument>()

        let expected: BackendFlags = {
            Port = Some "1"
            Host = Some "2"
            Name = Some "3"
            Delay = Some "4"
        }

        Assert.Equal(expected, parser.ParseCommandLine(line.Split ' ') |> BackendFlags.ofResults)
