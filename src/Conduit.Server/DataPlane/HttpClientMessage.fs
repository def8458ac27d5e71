namespace Conduit.Server

open System
open System.Net
open System.Net.Http
open Microsoft.Extensions.Primitives
open Conduit
open Conduit.Transport

/// The request for a backend, as HttpClient takes it.
[<RequireQualifiedAccess>]
module HttpClientMessage =

    let private add (message: HttpRequestMessage) (name: string) (values: StringValues) =
        let added =
            if values.Count = 1 then
                message.Headers.TryAddWithoutValidation(name, values[0])
            else
                message.Headers.TryAddWithoutValidation(name, values.ToArray())

        if not added then
            match message.Content with
            | null -> ()
            | content -> content.Headers.TryAddWithoutValidation(name, values.ToArray()) |> ignore

    let private sink message = {
        new IHeadSink with
            member _.Field(name, value) = add message name (StringValues value)
            member _.Fields(name, values) = add message name values
    }

    /// The request for the backend at `url`, by HTTP/2 or HTTP/1.1, with `body` unless there is none.
    let create (passage: Passage) (exchange: Exchange) (url: BackendUrl) isHttp2 (body: RequestBody | null) =
        let mutable options =
            UriCreationOptions(DangerousDisablePathAndQueryCanonicalization = true)

        let uri = Uri(String.Concat(url.Plain, passage.Path), &options)

        let message =
            new HttpRequestMessage(HttpMethod.Parse(RequestHead.method exchange.Http), uri)

        message.Version <-
            if isHttp2 then
                HttpVersion.Version20
            else
                HttpVersion.Version11

        message.VersionPolicy <- HttpVersionPolicy.RequestVersionExact
        message.Content <- body
        RequestHead.fields passage exchange (sink message)
        message
