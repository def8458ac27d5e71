namespace Conduit.Bench

open System
open System.IO
open System.Text.RegularExpressions
open Conduit.SystemTests

/// What the set-ups of the proxies have in common.
module internal PeerKit =

    let threads = Environment.ProcessorCount

    let program name package : Program = { Name = name; Package = package }

    let run (program: string) (arguments: string list) =
        let ended =
            Child.Run(program, arguments, [], TimeSpan.FromMinutes 5.0).GetAwaiter().GetResult()

        let said = String.concat "\n" (ended.Output @ ended.Errors)

        if ended.ExitCode <> 0 then
            failwith $"{program} ended with exit code {ended.ExitCode}:\n{said}"

        said

    let versionIn (said: string) =
        Regex.Match(said, @"\d+\.\d+(\.\d+)?").Value

    let version program argument () =
        versionIn (run (Programs.path program) [ argument ])

    let write (setup: Setup) (name: string) (text: string) =
        let path = setup.Directory.File name
        File.WriteAllText(path, text)
        path

    let isTls setup = setup.Protocol <> Protocol.Http1

    let lines (indent: string) (each: int -> string) (setup: Setup) =
        setup.Backends |> List.map each |> String.concat ("\n" + indent)

    let besideConduit (case: Case) = not case.IsOwn
