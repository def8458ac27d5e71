namespace Conduit.Server

open System
open Conduit
open Conduit.Transport

/// Forwards by what each backend speaks.
[<Sealed>]
type Forwarder(transport: Transport) =

    let httpClient: IForwarder = new HttpClientForwarder()

    let cleartext: IForwarder =
        match Transport.chosen transport with
        | Transport.Library -> httpClient
        | Transport.Epoll -> new DirectForwarder(BackendSockets.OfLoops)
        | _ -> new DirectForwarder(BackendSockets.Portable)

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
