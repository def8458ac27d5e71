namespace Conduit.Server

open System.Diagnostics
open System.Threading.Tasks
open Microsoft.AspNetCore.Hosting.Server
open Microsoft.AspNetCore.Hosting.Server.Abstractions
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Conduit

/// Requests straight from Kestrel: no host, no middleware. The exchange stays with the connection, and with
/// HTTP/2 and HTTP/3 with the stream, of which Kestrel uses one after the other.
[<Sealed>]
type ProxyApplication(serve: Exchange -> Task, lifetime: Lifetime, entrance: Entrance) =
    let entry () = entrance.Current

    let make () =
        Exchange(lifetime, Deadlines.Shared, entry)

    interface IHttpApplication<Exchange> with
        member _.CreateContext features =
            let exchange =
                match features with
                | :? IHostContextContainer<Exchange> as kept ->
                    match kept.HostContext with
                    | null ->
                        let made = make ()
                        kept.HostContext <- made
                        made
                    | exchange -> exchange
                | _ -> make ()

            exchange.Begin features
            exchange

        member _.ProcessRequestAsync exchange = serve exchange
        member _.DisposeContext(exchange, _) = exchange.End()

/// Told by Kestrel of each request that it refuses by itself, before there is an exchange for it.
[<Sealed>]
type Refusals(counts: Rejections) =
    inherit DiagnosticSource()

    let reasonOf status =
        match status with
        | StatusCodes.Status414UriTooLong -> RejectReason.LineTooLong
        | StatusCodes.Status431RequestHeaderFieldsTooLarge -> RejectReason.HeadTooLarge
        | StatusCodes.Status408RequestTimeout -> RejectReason.HeadTooSlow
        | _ -> RejectReason.Malformed

    override _.IsEnabled name =
        name = "Microsoft.AspNetCore.Server.Kestrel.BadRequest"

    override _.Write(_, value) =
        match value with
        | :? IFeatureCollection as features ->
            match features.Get<IBadRequestExceptionFeature>() with
            | null -> ()
            | refused ->
                match refused.Error with
                | :? Microsoft.AspNetCore.Http.BadHttpRequestException as error ->
                    counts.Add(reasonOf error.StatusCode)
                | _ -> ()
        | _ -> ()
