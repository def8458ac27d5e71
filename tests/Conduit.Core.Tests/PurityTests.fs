module Conduit.Tests.PurityTests

open System.IO
open System.Text.RegularExpressions
open System.Xml.Linq
open Xunit

let private core =
    Path.GetFullPath(Path.Combine(__SOURCE_DIRECTORY__, "../../src/Conduit.Core"))

/// What a pure core never does: each effect with the names that bring it in.
let private effects =
    [
        "a clock", @"\bDateTime(Offset)?\b|\bStopwatch\b|\bTimeProvider\b|\bTickCount(64)?\b|\bGetTimestamp\b"
        "waiting", @"\bThread\.Sleep\b|\bAsync\.Sleep\b|\bTask\.Delay\b|\bTimer\b|\bPeriodicTimer\b"
        // Strategy.Random and Selector.Random are names of the domain.
        "randomness",
        @"(?<!Strategy\.|Selector\.)\bRandom\s*(\(|\.)|System\.Random\b|\bGuid\b|\bCryptography\b"
        // Origin.File is a name of the domain.
        "files",
        @"(?<!Origin\.)(?<!\| )\b(File|Directory|FileInfo|DirectoryInfo|FileStream|StreamReader|StreamWriter)\b|System\.IO\b"
        "the environment", @"\bEnvironment\b|\bAppContext\b|\bAppDomain\b|\bProcess\b"
        // "stdout" is what an operator writes.
        "the console",
        @"\bConsole\b|\be?printfn?\b|(?<!"")\bstd(in|out|err)\b|\b(Trace|Debug)\.|System\.Diagnostics\b"
        // Addresses are values.
        "the network",
        @"System\.Net\.[A-Z]|\bSockets?\b|\bDns\b|\bTcp(Client|Listener)\b|\bHttp(Client|Message\w*|Request\w*|Response\w*|Listener|Context)\b"
    ]
    |> List.map (fun (effect, pattern) -> effect, Regex pattern)

/// A line without its comment. The slashes of a URL in a text begin none.
let private code (line: string) = Regex.Replace(line, @"(?<!:)//.*$", "")

/// The effects that these lines of source reach for.
let private found (lines: string seq) = [
    for number, line in Seq.indexed lines do
        for effect, pattern in effects do
            if pattern.IsMatch(code line) then
                $"line {number + 1} reaches for {effect}: {line.Trim()}"
]

[<Fact>]
let ``the core reaches for no clock, chance, file, environment, network or console`` () =
    let sources =
        Directory.GetFiles(core, "*.fs", SearchOption.AllDirectories)
        |> Array.filter (fun path -> not (Regex.IsMatch(path, @"[\\/](bin|obj)[\\/]")))

    Assert.True(sources.Length >= 20, $"only {sources.Length} sources found in {core}")

    Assert.Equal<string list>(
        [],
        [
            for source in Array.sort sources do
                for finding in found (File.ReadLines source) do
                    $"{Path.GetRelativePath(core, source)} {finding}"
        ]
    )

[<Theory>]
[<InlineData("let now = DateTime.UtcNow")>]
[<InlineData("let now = System.DateTimeOffset.Now")>]
[<InlineData("let watch = Stopwatch.StartNew()")>]
[<InlineData("let at = TimeProvider.System.GetTimestamp()")>]
[<InlineData("let at = Environment.TickCount64")>]
[<InlineData("let dice = Random()")>]
[<InlineData("let dice = new System.Random 1")>]
[<InlineData("let n = Random.Shared.Next()")>]
[<InlineData("let id = Guid.NewGuid()")>]
[<InlineData("let text = File.ReadAllText path")>]
[<InlineData("let files = Directory.GetFiles path")>]
[<InlineData("Console.WriteLine text")>]
[<InlineData("    printfn \"%d\" 1 // debugging")>]
[<InlineData("Thread.Sleep 1")>]
[<InlineData("do! Task.Delay 1")>]
[<InlineData("do! Async.Sleep 1")>]
[<InlineData("use client = new HttpClient()")>]
[<InlineData("open System.Net.Sockets")>]
[<InlineData("let url = \"http://h\" + Environment.MachineName")>]
let ``an effect is found in`` (line: string) = Assert.NotEmpty(found [ line ])

[<Theory>]
[<InlineData("    | Selector.Random table -> AliasTable.draw bits table")>]
[<InlineData("    | Strategy.Random -> Selector.Random(AliasTable.ofWeights weights)")>]
[<InlineData("    | Random of AliasTable")>]
[<InlineData("    | Http of path: string")>]
[<InlineData("    | File of name: string * line: int * column: int")>]
[<InlineData("        | Origin.File _ -> true")>]
[<InlineData("        | LogLevel.Debug -> \"debug\"")>]
[<InlineData("open System.Net")>]
[<InlineData("/// Nothing in the core reads a clock such as DateTime.UtcNow.")>]
[<InlineData("let remedy = \"write http://host:port\" // not Environment.MachineName")>]
let ``no effect is found in`` (line: string) = Assert.Empty(found [ line ])

[<Fact>]
let ``the core references FSharp.Core and FsToolkit.ErrorHandling, and nothing else`` () =
    let project = XDocument.Load(Path.Combine(core, "Conduit.Core.fsproj"))

    let references =
        project.Descendants()
        |> Seq.filter (fun element ->
            element.Name.LocalName.EndsWith "Reference" || element.Name.LocalName = "Import")
        |> Seq.map (fun element ->
            match element.Attribute(XName.Get "Include") with
            | null -> string element
            | included -> included.Value)
        |> Seq.sort
        |> List.ofSeq

    Assert.Equal<string list>([ "FSharp.Core"; "FsToolkit.ErrorHandling" ], references)

    match project.Root with
    | null -> failwith "the project is empty"
    | root ->
        Assert.Equal(
            "Microsoft.NET.Sdk",
            string (
                root.Attribute(XName.Get "Sdk")
                |> Option.ofObj
                |> Option.map _.Value
                |> Option.defaultValue ""
            )
        )
