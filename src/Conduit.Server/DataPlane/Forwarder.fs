namespace Conduit.Server

open System
open Conduit

/// What requests go to backends over.
[<RequireQualifiedAccess>]
type TransportKind =
    /// Connections of our own for cleartext backends, HttpClient for the others.
    | Direct
    /// HttpClient for all.
    | HttpClient

/// Forwards by what each backend speaks.
[<Sealed>]
type Forwarder(kind: TransportKind) =

    let httpClient: IForwarder = new HttpClientForwarder()

    let cleartext: IForwarder =
        match kind with
        | TransportKind.Direct -> new DirectForwarder()
        | TransportKind.HttpClient -> httpClient

    interface IForwarder with
        member _.Forward(exchange, target, timeouts, passage) =
            let forwarder =
                match target.Backend.Spec.Url.Scheme, target.Upstream.Protocol with
                | Scheme.Http, (BackendProtocol.Http1 | BackendProtocol.Auto) -> cleartext
                | _ -> httpClient

            forwarder.Forward(exchange, target, timeouts, passage)

    interface IDisposable with
        member _.Dispose() =
            cleartext.Dispose()
            httpClient.Dispose()
