namespace Conduit.Bench

open System
open System.IO
open Conduit.SystemTests

/// The proxies that are made from source.
[<RequireQualifiedAccess>]
module internal BuiltPeers =

    open PeerKit

    let private goProgram = program "go" "golang-go"

    let private root = Programs.root.Value

    let private ports (setup: Setup) =
        setup.Backends |> List.map string |> String.concat ","

    let yarp = {
        Name = "yarp"
        Prepare =
            fun () ->
                run "dotnet" [
                    "build"
                    Path.Combine(root, "bench/peers/yarp")
                    "-c"
                    "Release"
                    "-v"
                    "quiet"
                ]
                |> ignore
        Version = fun () -> "2.1.0"
        Command =
            fun setup ->
                Path.Combine(root, "artifacts/bin/Yarp/release/yarp"),
                [
                    string setup.Port
                    ports setup
                    if isTls setup then
                        setup.Certificate.PfxFile
                ],
                []
        Serves = besideConduit
        Allocated = fun _ -> None
    }

    let private goProxy = Path.Combine(root, "artifacts/bench/goproxy")

    let go = {
        Name = "go"
        Prepare =
            fun () ->
                run (Programs.path goProgram) [
                    "build"
                    "-o"
                    goProxy
                    Path.Combine(root, "bench/peers/go/main.go")
                ]
                |> ignore
        Version = version goProgram "version"
        Command =
            fun setup ->
                goProxy,
                [
                    string setup.Port
                    ports setup
                    if isTls setup then
                        setup.Certificate.CertFile
                        setup.Certificate.KeyFile
                ],
                [ "GOMAXPROCS", Some(string threads) ]
        Serves = besideConduit
        Allocated = fun _ -> None
    }
