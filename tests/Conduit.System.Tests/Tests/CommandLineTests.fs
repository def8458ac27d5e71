namespace Conduit.SystemTests

open System
open System.Net
open System.Net.Sockets
open System.Text.RegularExpressions
open Xunit
open Xunit.Abstractions

/// What the program says to the one who starts it, and its exit codes.
[<Collection(SystemCollection.name)>]
type CommandLineTests(output: ITestOutputHelper) =

    /// Runs the program; its exit code and both outputs go to the test's own.
    let run arguments = task {
        let! ended = Executable.run arguments []
        let shown = String.concat " " arguments
        output.WriteLine $"conduit {shown}: exit code {ended.ExitCode}"

        for line in ended.Output @ ended.Errors do
            output.WriteLine("  " + line)

        return ended
    }

    /// Exit code 1, and the given number of lines on standard error, each of the words in one of its own.
    let refuses (arguments: string list) (words: string list) = task {
        let! ended = run arguments
        Assert.Equal(1, ended.ExitCode)

        for word in words do
            let saying =
                ended.Errors |> List.filter _.Contains(word, StringComparison.OrdinalIgnoreCase)

            Assert.True((saying.Length = 1), $"{saying.Length} lines say {word}")

        Assert.Equal(words.Length, ended.Errors.Length)
    }

    [<Fact>]
    member _.``every fault gets one line on standard error, all of them at once``() =
        refuses [
            "--backends"
            "ftp://127.0.0.1:1,http://127.0.0.1:2;weight=-1,http://127.0.0.1:3;weight=257"
            "--port"
            "70000"
            "--strategy"
            "round-robbin"
            "--health-interval"
            "5 parsecs"
        ] [ "ftp"; "weight -1"; "257"; "70000"; "round-robin"; "parsecs" ]

    [<Fact>]
    member _.``no backends is a fault``() = refuses [] [ "--backends" ]

    [<Fact>]
    member _.``a malformed URL is a fault``() =
        refuses [ "--backends"; "http://" ] [ "http://" ]

    [<Fact>]
    member _.``a URL that stands twice is a fault``() =
        refuses [ "--backends"; "http://127.0.0.1:8081,http://127.0.0.1:8081" ] [ "127.0.0.1:8081" ]

    [<Fact>]
    member _.``an unknown flag is a fault, said without the whole of --help``() = task {
        let! ended = run [ "--backends"; "http://127.0.0.1:8081"; "--strateggy"; "random" ]
        Assert.Equal(1, ended.ExitCode)
        Assert.Contains("--strateggy", List.head ended.Errors)
        // The fault, and where to read on.
        Assert.True(ended.Errors.Length <= 2, String.concat "\n" ended.Errors)
    }

    [<Fact>]
    member _.``a flag that stands before a subcommand is a fault``() =
        refuses [ "--config"; "/nowhere.yaml"; "check" ] [ "--config" ]

    [<Theory>]
    [<InlineData "--port">]
    [<InlineData "--admin-port">]
    member _.``a port that is taken ends it with exit code 2 and one line that names the port``
        (flag: string)
        = task {
        use holder = new TcpListener(IPAddress.Loopback, 0)
        holder.Start()
        let taken = (holder.LocalEndpoint :?> IPEndPoint).Port
        let other = if flag = "--port" then "--admin-port" else "--port"

        let! ended =
            run [
                "--backends"
                "http://127.0.0.1:1"
                "--host"
                "127.0.0.1"
                flag
                string taken
                other
                string (Ports.free ())
            ]

        Assert.Equal(2, ended.ExitCode)
        Assert.Contains(string taken, Assert.Single ended.Errors)
        Assert.DoesNotContain(ended.Output, _.Contains("Exception"))
    }

    [<Fact>]
    member _.``--version writes the version and nothing else``() = task {
        let! ended = run [ "--version" ]
        Assert.Equal(0, ended.ExitCode)
        let line = Assert.Single ended.Output
        Assert.True(Regex.IsMatch(line, @"\d+\.\d+\.\d+"), line)
        Assert.Empty ended.Errors
    }

    [<Fact>]
    member _.``--help writes every flag and every subcommand to standard output``() = task {
        let! ended = run [ "--help" ]
        Assert.Equal(0, ended.ExitCode)
        let text = String.concat "\n" ended.Output

        for flag in
            [
                "--backends"
                "--port"
                "--host"
                "--strategy"
                "--health-path"
                "--health-interval"
                "--health-timeout"
                "--health-rise"
                "--health-fall"
                "--retries"
                "--connect-timeout"
                "--response-timeout"
                "--idle-timeout"
                "--drain-timeout"
                "--admin-port"
                "--admin-host"
                "--stats-path"
                "--log-format"
                "--log-level"
                "--version"
                "--help"
            ] do
            Assert.Contains(flag, text)

        for subcommand in [ "demo"; "check"; "ctl"; "backend" ] do
            Assert.Contains($"\n    {subcommand} <options>", text)
    }
