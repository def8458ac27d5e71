namespace Conduit.Server

open System
open Conduit

/// A request as someone writes it down: `GET https://host/path`. It has no headers.
type private WrittenRequest(method: string, host: string, path: string, query: string) =
    interface IRequestView with
        member _.Method = method
        member _.Host = host
        member _.Path = path
        member _.TryHeader _ = ValueNone
        member _.TryQuery name = Query.first name query

/// Says which way a request goes.
[<RequireQualifiedAccess>]
module Explain =

    /// Nothing in the target is decoded or normalised, just as on the way of a real request.
    let private parse (text: string) : Result<WrittenRequest, Fault> =
        let method, url =
            match text.Split(' ', 2, StringSplitOptions.RemoveEmptyEntries) with
            | [| method; url |] -> method, url.Trim()
            | _ -> "GET", text.Trim()

        match Uri.TryCreate(url, UriKind.Absolute), RequestHead.originForm url with
        | (true, NonNull uri), ValueSome target when uri.Scheme = "http" || uri.Scheme = "https" ->
            let path, query =
                match target.IndexOf '?' with
                | -1 -> target, ""
                | at -> target.Substring(0, at), target.Substring at

            Ok(WrittenRequest(method, uri.Authority, path, query))
        | _ ->
            Error(
                Fault.create
                    "--explain"
                    $"{Fault.quote text} is not a request"
                    "write 'GET https://host/path'"
            )

    let private withoutRoute (config: Config) =
        match Config.pool PoolName.defaultPool config, config.Pools with
        | Some _, _ -> "No route takes it: it goes to the pool default."
        | None, [ only ] when config.Routes.IsEmpty ->
            $"There are no routes: it goes to the only pool, {PoolName.value only.Name}."
        | None, _ -> "No route takes it and there is no pool default: it is answered 404."

    /// Lines for a person.
    let lines (config: Config) (text: string) : Result<string list, Fault list> =
        match parse text, Router.create string config.Routes with
        | Error fault, _ -> Error [ fault ]
        | _, Error faults -> Error faults
        | Ok request, Ok router ->
            let explained =
                if config.Routes.IsEmpty then
                    []
                else
                    Router.explain request router |> Explanation.render

            Ok [
                yield! explained
                match Router.find (request :> IRequestView) router with
                | ValueSome _ -> ()
                | ValueNone -> withoutRoute config
            ]
