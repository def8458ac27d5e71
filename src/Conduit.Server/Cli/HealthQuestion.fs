namespace Conduit.Server

open System
open System.Net.Http
open System.Threading
open System.Threading.Tasks
open Conduit

/// `conduit check --health URL`: how a container asks after itself, where there is neither a shell nor
/// curl.
[<RequireQualifiedAccess>]
module HealthQuestion =

    let private patience = TimeSpan.FromSeconds 3.0

    /// Exit code 0 when the URL answers with a status from 200 to 399 within 3 seconds; else 1, and why
    /// on standard error.
    let ask (text: string) : Task<int> = task {
        match BackendUrl.parse "--health" text with
        | Error fault -> return Complaint.settings [ fault ]
        | Ok url ->
            let handler = new SocketsHttpHandler(AllowAutoRedirect = false, UseProxy = false)

            if url.Scheme = Scheme.Https then
                handler.ConnectCallback <- TlsConnect(Upstream.defaults.Tls).Http1

            use invoker = new HttpMessageInvoker(handler)

            // The path is the URL's own.
            match! HealthProbe.run invoker false (Probe.Http "") patience url CancellationToken.None with
            | None ->
                printfn "ok"
                return 0
            | Some failure ->
                eprintfn "%s: %s" (string url) failure
                return 1
    }
