// What is handed out: `publish` and `image` of build.fsx.
#r "System.Formats.Tar"

open System
open System.Diagnostics
open System.Formats.Tar
open System.IO
open System.IO.Compression
open System.Runtime.InteropServices
open System.Security.Cryptography
open System.Xml.Linq

let root = Path.GetDirectoryName __SOURCE_DIRECTORY__
let folder = Path.Combine(root, "artifacts", "release")
let server = "src/Conduit.Server"
let platforms = [ "linux-x64"; "linux-arm64" ]

/// What `-p:Version=` says among the arguments, else what Directory.Build.props says.
let version (arguments: string list) =
    let given = "-p:Version="

    match arguments |> List.tryFind _.StartsWith(given) with
    | Some argument -> argument.Substring given.Length
    | None ->
        let props = XDocument.Load(Path.Combine(root, "Directory.Build.props"))

        props.Descendants()
        |> Seq.find (fun element -> element.Name.LocalName = "Version")
        |> _.Value

/// One file that needs nothing on the machine, compiled beforehand so that it starts at once; and an archive of it.
let single dotnet arguments (platform: string) =
    let output = Path.Combine(folder, platform)

    let code =
        dotnet (
            [
                "publish"
                server
                "-c"
                "Release"
                "-r"
                platform
                "--self-contained"
                "-o"
                output
            ]
            @ [
                "-p:PublishSingleFile=true"
                "-p:PublishReadyToRun=true"
                "-p:DebugType=none"
                "-v"
                "quiet"
            ]
            @ arguments
        )

    if code = 0 then
        for file in Directory.GetFiles output do
            if Path.GetFileName file <> "conduit" then
                File.Delete file

        File.Copy(Path.Combine(root, "LICENSE"), Path.Combine(output, "LICENSE"))
        let archive = Path.Combine(folder, $"conduit-{version arguments}-{platform}.tar.gz")
        use file = File.Create archive
        use zipped = new GZipStream(file, CompressionLevel.Optimal)
        TarFile.CreateFromDirectory(output, zipped, includeBaseDirectory = false)

    code

/// For machines that have .NET: `dotnet tool install`.
let tool dotnet arguments =
    dotnet (
        [
            "pack"
            server
            "-c"
            "Release"
            "-o"
            folder
            "-v"
            "quiet"
            "-p:PackTool=true"
        ]
        @ arguments
    )

/// Every package that is in the program, in the form of CycloneDX.
let billOfMaterials dotnet arguments =
    dotnet [
        "CycloneDX"
        $"{server}/Conduit.Server.fsproj"
        "--output"
        folder
        "--filename"
        $"conduit-{version arguments}.cdx.json"
        "--output-format"
        "Json"
        "--base-intermediate-output-path"
        Path.Combine(root, "artifacts", "obj")
        "--set-name"
        "conduit"
        "--set-version"
        version arguments
    ]

/// SHA256SUMS, as `sha256sum --check` reads it.
let checksums () =
    let lines =
        Directory.GetFiles folder
        |> Array.sort
        |> Array.map (fun file ->
            let hash = file |> File.ReadAllBytes |> SHA256.HashData |> Convert.ToHexStringLower
            $"{hash}  {Path.GetFileName file}")

    File.WriteAllLines(Path.Combine(folder, "SHA256SUMS"), lines)
    0

let private afresh () =
    if Directory.Exists folder then
        Directory.Delete(folder, recursive = true)

    Directory.CreateDirectory folder |> ignore
    0

/// The steps of `publish`: for the platforms that are named, or for all of them, with the options that
/// dotnet gets besides.
let publish dotnet restoreTools (arguments: string list) : (unit -> int) list =
    let options, named = arguments |> List.partition _.StartsWith('-')
    let wanted = if named.IsEmpty then platforms else named

    [
        yield afresh
        yield! wanted |> List.map (fun platform () -> single dotnet options platform)
        yield (fun () -> tool dotnet options)
        yield restoreTools
        yield (fun () -> billOfMaterials dotnet options)
        yield checksums
    ]

/// What a program wrote, when it ended well.
let private told (program: string) (arguments: string list) =
    try
        let start =
            ProcessStartInfo(
                program,
                arguments,
                WorkingDirectory = root,
                RedirectStandardOutput = true,
                RedirectStandardError = true
            )

        use child = Process.Start start
        child.ErrorDataReceived.Add ignore
        child.BeginErrorReadLine()
        let output = child.StandardOutput.ReadToEnd()
        child.WaitForExit()
        if child.ExitCode = 0 then Some(output.Trim()) else None
    with :? ComponentModel.Win32Exception ->
        None

/// The image `conduit`, by the first of docker, podman and buildah that works here; a docker without its daemon does not.
let image execute (arguments: string list) =
    // The others leave the health check out of an image unless they are told to keep it.
    let engines = [
        "docker", []
        "podman", [ "--format"; "docker" ]
        "buildah", [ "--format"; "docker" ]
    ]

    match engines |> List.tryFind (fun (engine, _) -> (told engine [ "version" ]).IsSome) with
    | None ->
        eprintfn "image: none of docker, podman and buildah works here"
        1
    | Some(engine, own) ->
        let architecture =
            match RuntimeInformation.OSArchitecture with
            | Architecture.Arm64 -> "arm64"
            | _ -> "amd64"

        let platform =
            if arguments |> List.exists _.StartsWith("--platform") then
                []
            else
                [ "--platform"; $"linux/{architecture}" ]

        let revision = told "git" [ "rev-parse"; "HEAD" ] |> Option.defaultValue "unknown"

        execute
            engine
            ([ "build"; "--tag"; "conduit"; "--build-arg"; $"VERSION={version []}" ]
             @ [ "--build-arg"; $"REVISION={revision}" ]
             @ own
             @ platform
             @ arguments
             @ [ "." ])
