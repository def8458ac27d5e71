// The build: `dotnet fsi build.fsx -- TARGET`. No packages, so that it starts at once.
#load "eng/release.fsx"

open System
open System.Diagnostics
open System.IO
open System.Xml.Linq

let root = __SOURCE_DIRECTORY__
let results = Path.Combine(root, "artifacts", "test-results")
let server = "src/Conduit.Server"

let unitSuites = [
    "tests/Conduit.Core.Tests"
    "tests/Conduit.Transport.Tests"
    "tests/Conduit.Server.Tests"
]

let benchmark = "bench/Conduit.Bench"
let systemSuite = "tests/Conduit.System.Tests"
let dashboardSuite = "tests/Conduit.Dashboard.Tests"

/// The suite that runs over each transport, and the variable that names one to it.
let carriedSuite, carrier = "tests/Conduit.Server.Tests", "CONDUIT_TEST_TRANSPORT"

/// Besides the one that is usual.
let otherTransports = [ "sockets" ]

/// The file that a suite leaves its counts in.
let resultsOf (suite: string) =
    Path.GetFileName(suite: string) + ".trx"

/// Runs a program in the root of the repository, its output going where ours goes; gives its exit code.
let execute (program: string) (arguments: string list) =
    let start = ProcessStartInfo(program, arguments, WorkingDirectory = root)
    use child = Process.Start start
    child.WaitForExit()
    child.ExitCode

let dotnet arguments = execute "dotnet" arguments

/// Runs the steps in turn until one fails; gives the exit code of the last that ran.
let inTurn (steps: (unit -> int) list) =
    (0, steps) ||> List.fold (fun code step -> if code = 0 then step () else code)

let build () =
    dotnet [ "build"; "Conduit.sln"; "-c"; "Release"; "-v"; "quiet" ]

let restoreTools () =
    dotnet [ "tool"; "restore"; "-v"; "quiet" ]

/// Runs a suite that has been built and leaves its counts in `results`.
let test extra suite =
    let logging = [
        "--logger"
        "trx;LogFileName=" + resultsOf suite
        "--logger"
        "console;verbosity=normal"
    ]

    let run = [ "test"; suite; "-c"; "Release"; "--no-build"; "--results-directory"; results ]
    dotnet (run @ logging @ extra)

/// The suite of what is carried, over the other transports.
let testCarried extra = [
    for transport in otherTransports do
        printfn "\n== over %s" transport
        Environment.SetEnvironmentVariable(carrier, transport)
        test extra carriedSuite
        Environment.SetEnvironmentVariable(carrier, null)
]

/// All suites run, also when one of them fails.
let testAll extra suites =
    testCarried extra @ List.map (test extra) suites |> List.fold max 0

/// What a suite needs from npm, in its directory of artifacts/npm; nothing is done where it is there.
let npmPackages (suite: string) () =
    let target = Path.Combine(root, "artifacts", "npm", Path.GetFileName suite)

    let source name = Path.Combine(root, suite, name)

    let copy name = Path.Combine(target, name)
    let lock = "package-lock.json"

    let isThere =
        Directory.Exists(copy "node_modules")
        && File.ReadAllText(copy lock) = File.ReadAllText(source lock)

    if isThere then
        0
    else
        Directory.CreateDirectory target |> ignore

        for name in [ "package.json"; lock ] do
            File.Copy(source name, copy name, true)

        execute "npm" [ "ci"; "--prefix"; target; "--ignore-scripts"; "--no-audit"; "--no-fund" ]

/// The tests of the dashboard, but for those that make pictures.
let testDashboard (extra: string list) =
    let filter =
        if List.contains "--filter" extra then
            []
        else
            [ "--filter"; "Category!=Screenshots" ]

    test (filter @ extra) dashboardSuite

let screenshots () =
    Environment.SetEnvironmentVariable("CONDUIT_SCREENSHOTS", "docs/images")
    test [ "--filter"; "Category=Screenshots" ] dashboardSuite

let forget (suites: string list) =
    Directory.CreateDirectory results |> ignore

    for suite in suites do
        File.Delete(Path.Combine(results, resultsOf suite))

    0

let named name (element: XElement) = element.Name.LocalName = name

let attribute (name: string) (element: XElement) = element.Attribute(XName.Get name).Value

let counts (file: string) =
    let counters = XDocument.Load(file).Descendants() |> Seq.find (named "Counters")
    let value name = int (attribute name counters)
    value "passed", value "executed" - value "passed"

/// Each test that failed, with the beginning of what it said.
let failures (file: string) = [
    for result in XDocument.Load(file).Descendants() |> Seq.filter (named "UnitTestResult") do
        if attribute "outcome" result = "Failed" then
            let message =
                result.Descendants()
                |> Seq.tryFind (named "Message")
                |> Option.map _.Value
                |> Option.defaultValue ""

            attribute "testName" result
            + "\n    "
            + message.Substring(0, min 500 message.Length)
]

/// One line that sums up every suite that ran; a suite that left no counts is a failure.
let summary () =
    let files =
        unitSuites @ [ systemSuite; dashboardSuite ]
        |> List.map (fun suite -> Path.Combine(results, resultsOf suite))

    let found, missing = files |> List.partition File.Exists
    let passed, failed = found |> List.map counts |> List.unzip
    let failed = List.sum failed + missing.Length

    for file in missing do
        printfn "no results: %s" (Path.GetFileNameWithoutExtension(file: string))

    for failure in List.collect failures found do
        printfn "failed: %s" failure

    printfn "%d passed, %d failed" (List.sum passed) failed
    if failed = 0 then 0 else 1

let clean () =
    for directory in [ "artifacts" ] do
        let path = Path.Combine(root, directory)

        if Directory.Exists path then
            Directory.Delete(path, recursive = true)

    0

let sources = [
    "src"
    "tests"
    "bench"
    "samples"
    "scripts"
    "build.fsx"
    "eng/release.fsx"
]

/// Name, what it does, and what it runs with the arguments that follow the name.
let targets: (string * string * (string list -> int)) list = [
    "run",
    "the demo: three backends, a balancer on 3030, a small load, a live table",
    (fun rest -> dotnet ([ "run"; "--project"; server; "-c"; "Release"; "--"; "demo" ] @ rest))
    "test",
    "all tests that need only the SDK",
    (fun rest -> inTurn [ (fun () -> forget unitSuites); build; (fun () -> testAll rest unitSuites) ])
    "test-system",
    "tests against real programs; on Debian, as root, it installs those that are missing",
    (fun rest ->
        inTurn [
            (fun () -> forget [ systemSuite; dashboardSuite ])
            (fun () -> execute "bash" [ "eng/install-system-programs.sh" ])
            npmPackages systemSuite
            npmPackages dashboardSuite
            build
            (fun () -> max (test rest systemSuite) (testDashboard rest))
        ])
    "bench",
    "Conduit beside its peers: --cases, --peers, --rounds, --seconds; all of it takes an hour",
    (fun rest ->
        inTurn [
            (fun () -> execute "bash" [ "eng/install-system-programs.sh"; "bench" ])
            build
            (fun () ->
                dotnet ([ "run"; "--project"; benchmark; "-c"; "Release"; "--no-build"; "--" ] @ rest))
        ])
    "screenshots",
    "the pictures of the dashboard in docs/images, within four minutes; the font Inter (fonts-inter) suits them",
    (fun _ ->
        inTurn [
            (fun () -> execute "bash" [ "eng/install-system-programs.sh" ])
            npmPackages dashboardSuite
            build
            screenshots
        ])
    "microbench",
    "what the pure parts of a request cost: --filter '*Pick*', and what else BenchmarkDotNet takes",
    (fun rest -> dotnet ([ "run"; "--project"; "bench/Conduit.Benchmarks"; "-c"; "Release"; "--" ] @ rest))
    "summary", "sums up the suites that ran", (fun _ -> summary ())
    "format",
    "formats all sources",
    (fun _ -> inTurn [ restoreTools; (fun () -> dotnet ("fantomas" :: sources)) ])
    "check-format",
    "fails when a source is not formatted",
    (fun _ -> inTurn [ restoreTools; (fun () -> dotnet ("fantomas" :: "--check" :: sources)) ])
    "publish",
    "releases in artifacts/release; for one platform alone: publish linux-x64",
    (fun rest -> inTurn (Release.publish dotnet restoreTools rest))
    "test-release",
    "publishes for this platform, and tries the program, the tool, the checksums and the bill of materials",
    (fun rest ->
        inTurn [
            (fun () -> inTurn (Release.publish dotnet restoreTools ("linux-x64" :: rest)))
            (fun () -> execute "bash" [ "eng/test-release.sh" ])
        ])
    "script",
    "builds, and runs a script: script simulate-strategies [--requests 1000 ...]",
    (fun rest ->
        match rest with
        | name :: words ->
            inTurn [
                (fun () -> dotnet [ "build"; server; "-c"; "Release"; "-v"; "quiet" ])
                (fun () -> dotnet ([ "fsi"; "--optimize-"; $"scripts/{name}.fsx" ] @ words))
            ]
        | [] ->
            for file in Directory.GetFiles(Path.Combine(root, "scripts")) do
                printfn "%s" (Path.GetFileNameWithoutExtension file)

            0)
    "test-scripts",
    "builds, and runs every script and every sample",
    (fun _ -> inTurn [ build; (fun () -> execute "bash" [ "eng/test-scripts.sh" ]) ])
    "image", "the container image, by docker, podman or buildah", Release.image execute
    "test-image",
    "the image from stand-in base images by buildah, and Conduit run from it; needs root on Debian",
    (fun _ -> execute "bash" [ "eng/test-image.sh" ])
    "check-deploy",
    "checks compose files, manifests, units and workflows by the schemas of the tools that read them",
    (fun _ -> execute "bash" [ "eng/check-deploy.sh" ])
    "clean", "removes all that was built", (fun _ -> clean ())
]

let usage () =
    printfn "dotnet fsi build.fsx -- TARGET\n"

    for name, description, _ in targets do
        printfn "  %-14s %s" name description

    0

match fsi.CommandLineArgs |> Array.toList |> List.tail |> List.filter ((<>) "--") with
| [] -> exit (usage ())
| name :: rest ->
    match targets |> List.tryFind (fun (target, _, _) -> target = name) with
    | Some(_, _, run) -> exit (run rest)
    | None ->
        eprintfn "There is no target '%s'.\n" name
        usage () |> ignore
        exit 1
