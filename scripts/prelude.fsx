// What the other scripts stand on: `#load "prelude.fsx"`. The assemblies are there after `dotnet fsi build.fsx -- script NAME`,
// or any Release build.
#r "../artifacts/bin/Conduit.Server/release/Conduit.Core.dll"
#r "../artifacts/bin/Conduit.Server/release/Conduit.Client.dll"

open System
open System.Diagnostics
open System.IO
open System.Net
open System.Net.Http
open System.Net.Sockets
open System.Threading

/// The words after the script's own name.
let arguments = fsi.CommandLineArgs |> Array.toList |> List.tail

/// The value of `--NAME VALUE`, if it is there.
let flag (name: string) =
    arguments
    |> List.pairwise
    |> List.tryFind (fun (word, _) -> word = "--" + name)
    |> Option.map snd

let number name fallback =
    match flag name with
    | None -> fallback
    | Some text ->
        match Int32.TryParse text with
        | true, number when number > 0 -> number
        | _ -> failwith $"--{name}: '{text}' is not a number above 0"

let http =
    new HttpClient(new SocketsHttpHandler(UseProxy = false), Timeout = TimeSpan.FromSeconds 30.0)

/// The program that was built.
let program =
    Path.GetFullPath(Path.Combine(__SOURCE_DIRECTORY__, "../artifacts/bin/Conduit.Server/release/conduit"))

let freePort () =
    use listener = new TcpListener(IPAddress.Loopback, 0)
    listener.Start()
    (listener.LocalEndpoint :?> IPEndPoint).Port

/// Starts the program; what it logs is not shown. It ends with the script.
let start (words: string list) =
    let info =
        ProcessStartInfo(program, words, RedirectStandardOutput = true, RedirectStandardError = true)

    let child = Process.Start info
    child.OutputDataReceived.Add ignore
    child.ErrorDataReceived.Add ignore
    child.BeginOutputReadLine()
    child.BeginErrorReadLine()
    AppDomain.CurrentDomain.ProcessExit.Add(fun _ -> child.Kill())
    child

/// Waits until the URL answers with 200.
let await (url: string) =
    let clock = Stopwatch.StartNew()
    let mutable answered = false

    while not answered do
        try
            use response = http.GetAsync(url).Result
            answered <- response.IsSuccessStatusCode
        with :? AggregateException ->
            ()

        if not answered then
            if clock.Elapsed > TimeSpan.FromSeconds 20.0 then
                failwith $"{url} does not answer"

            Thread.Sleep 50

/// A sample backend on a port; `delay` as in `20ms`.
let backend name (port: int) (delay: string) =
    let words = [
        "backend"
        "--host"
        "127.0.0.1"
        "--port"
        string port
        "--name"
        name
        "--delay"
        delay
    ]

    let child = start words
    await $"http://127.0.0.1:{port}/healthz"
    child

/// A balancer of its own in front of these backends: its URL, and that of its admin port.
let balancer (backends: (string * int) list) (more: string list) =
    let port, admin = freePort (), freePort ()

    let list =
        backends
        |> List.map (fun (name, port) -> $"http://127.0.0.1:{port};id={name}")
        |> String.concat ","

    start (
        [ "--backends"; list; "--host"; "127.0.0.1"; "--port"; string port ]
        @ [ "--admin-port"; string admin; "--strategy"; "least-connections" ]
        @ more
    )
    |> ignore

    await $"http://127.0.0.1:{admin}/readyz"
    $"http://127.0.0.1:{port}", $"http://127.0.0.1:{admin}"
