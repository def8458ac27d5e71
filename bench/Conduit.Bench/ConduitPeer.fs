namespace Conduit.Bench

open System
open System.Net.Http
open System.Text.RegularExpressions
open Conduit.SystemTests

[<RequireQualifiedAccess>]
module internal ConduitPeer =

    open PeerKit

    /// `more` are further sections.
    let private configuration (more: string) (setup: Setup) =
        let backend port = $"    - http://127.0.0.1:{port}"

        let tls =
            if isTls setup then
                $"  tls: {{ enabled: true, cert_file: {setup.Certificate.CertFile}, key_file: {setup.Certificate.KeyFile} }}\n"
            else
                ""

        $"""
listen:
  host: 127.0.0.1
  port: {setup.Port}
{tls}admin:
  port: {setup.AdminPort}
strategy: least-connections
backends:
{setup.Backends |> List.map backend |> String.concat "\n"}
{more}
"""

    let private client = new HttpClient()

    /// The runtime's own counter, as the admin port tells it.
    let private allocated (setup: Setup) =
        use answer =
            client.GetAsync($"http://127.0.0.1:{setup.AdminPort}/metrics").GetAwaiter().GetResult()

        let text = answer.Content.ReadAsStringAsync().GetAwaiter().GetResult()

        match Regex.Match(text, @"(?m)^dotnet_gc_allocated_bytes_total ([\d.e+]+)") with
        | found when found.Success -> Some(int64 (float found.Groups[1].Value))
        | _ -> None

    let private peerWith (name: string) (more: Setup -> string) serves = {
        Name = name
        Prepare = ignore
        Version = fun () -> versionIn (run Programs.conduit.Value [ "--version" ])
        Command =
            fun setup ->
                let path = write setup "conduit.yaml" (configuration (more setup) setup)
                Programs.conduit.Value, [ "--config"; path ], []
        Serves = serves
        Allocated = allocated
    }

    let peer = peerWith "conduit" (fun _ -> "") (fun _ -> true)

    /// Without counts of requests.
    let uncounted =
        peerWith "conduit-uncounted" (fun _ -> "metrics: { enabled: false }") _.IsOwn

    /// With a line for each request, all fields in it.
    let logging =
        peerWith
            "conduit-logging"
            (fun setup -> "access_log: { format: json, file: " + setup.Directory.File "access.log" + " }")
            _.IsOwn
