namespace Conduit.Server

open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Conduit

/// The port that sends every request to https.
[<RequireQualifiedAccess>]
module Redirect =

    let private location (port: int) (host: string) (target: string) =
        let name = HostName.ofAuthority host
        let port = if port = 443 then "" else $":{port}"
        $"https://{name.ToString()}{port}{target}"

    /// Answers 308, which keeps the method, with the same target on the https port of the same host.
    let serve (port: unit -> int) (exchange: Exchange) : Task =
        let http = exchange.Http
        let host = string http.Request.Headers.Host

        let target =
            match http.Features.Get<IHttpRequestFeature>() with
            | null -> ValueNone
            | feature -> RequestHead.originForm feature.RawTarget

        match target with
        | ValueSome target when host <> "" ->
            http.Response.StatusCode <- StatusCodes.Status308PermanentRedirect
            http.Response.Headers.Location <- location (port ()) host target
            Task.CompletedTask
        | _ -> Respond.send exchange Answer.noRedirect
