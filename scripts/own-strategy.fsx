// A Conduit that runs inside this script, with a strategy that is written in it:
//
//     dotnet fsi build.fsx -- script own-strategy [--requests 100]
//
// It starts two sample backends, and sends every fifth request to the second.
#load "prelude.fsx"
#r "../artifacts/bin/Conduit.Server/release/Conduit.Transport.dll"
#r "../artifacts/bin/Conduit.Server/release/conduit.dll"

open System
open System.IO
open System.Reflection
open System.Runtime.InteropServices
open Conduit
open Conduit.Server

// Conduit needs ASP.NET Core, which a script does not have by itself: it stands beside the .NET that runs the script.
let folders =
    let core = RuntimeEnvironment.GetRuntimeDirectory().TrimEnd '/'
    let aspNetCore = core.Replace("Microsoft.NETCore.App", "Microsoft.AspNetCore.App")
    [ aspNetCore; Path.GetDirectoryName Prelude.program ]

AppDomain.CurrentDomain.add_AssemblyResolve (fun _ wanted ->
    folders
    |> List.map (fun folder -> Path.Combine(folder, AssemblyName(wanted.Name).Name + ".dll"))
    |> List.tryFind File.Exists
    |> Option.map Assembly.LoadFrom
    |> Option.toObj)

let oneInFive = {
    new IStrategy with
        member _.Name = "one-in-five"
        member _.Choose(_, turn, _) = if turn % 5UL = 4UL then 1 else 0
}

let backends = [ for name in [ "usual"; "canary" ] -> name, Prelude.freePort () ]

for name, port in backends do
    Prelude.backend name port "0s" |> ignore

let urls =
    backends
    |> List.map (fun (name, port) -> $"http://127.0.0.1:{port};id={name}")
    |> String.concat ","

let balancer =
    ScriptBalancer
        .Start(
            [
                "backends", urls
                "listen.host", "127.0.0.1"
                "listen.port", string (Prelude.freePort ())
                "admin.port", "0"
                "log.level", "warning"
            ],
            {
                Extensions.none with
                    Strategies = [ ("default", oneInFive) ]
            }
        )
        .Result

let answers =
    [
        for _ in 1 .. Prelude.number "requests" 100 -> Prelude.http.GetStringAsync(balancer.Url).Result
    ]
    |> List.countBy (fun body -> body.Trim().Split(' ') |> Array.last)
    |> List.sortByDescending snd

for name, count in answers do
    printfn "%-8s %5d" name count

balancer.Stop().Wait()
