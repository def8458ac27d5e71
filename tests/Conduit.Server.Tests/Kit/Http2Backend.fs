namespace Conduit.Server.Tests

open System
open System.Collections.Concurrent
open System.Net
open System.Security.Cryptography.X509Certificates
open System.Threading.Tasks
open Microsoft.AspNetCore.Builder
open Microsoft.AspNetCore.Hosting
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Server.Kestrel.Core
open Microsoft.AspNetCore.Server.Kestrel.Https
open Microsoft.Extensions.DependencyInjection
open Microsoft.Extensions.Logging

/// What a backend has seen of a request.
type SeenRequest = {
    Protocol: string
    Scheme: string
    Host: string
    Headers: (string * string) list
    ClientSubject: string option
}

/// A backend that speaks HTTP/2, or what it is told to, in cleartext or with a certificate. It is another
/// server than the scripted one: nobody writes HTTP/2 by hand.
[<Sealed>]
type Http2Backend private (app: WebApplication, seen: ConcurrentQueue<SeenRequest>) =

    member _.Url = Seq.head app.Urls
    member _.Port = Uri(Seq.head app.Urls).Port
    member _.Seen = List.ofSeq seen

    static member Start
        (
            protocols: HttpProtocols,
            certificate: X509Certificate2 option,
            asksClients: bool,
            handle: RequestDelegate
        ) : Task<Http2Backend> = task {
        let builder = WebApplication.CreateSlimBuilder()
        builder.Logging.ClearProviders() |> ignore
        let seen = ConcurrentQueue<SeenRequest>()

        builder.WebHost
            .UseKestrelHttpsConfiguration()
            .ConfigureKestrel(fun options ->
                options.Listen(
                    IPAddress.Loopback,
                    0,
                    fun listen ->
                        listen.Protocols <- protocols

                        match certificate with
                        | None -> ()
                        | Some certificate ->
                            listen.UseHttps(fun https ->
                                https.ServerCertificate <- certificate

                                if asksClients then
                                    https.ClientCertificateMode <- ClientCertificateMode.RequireCertificate
                                    https.ClientCertificateValidation <- fun _ _ _ -> true)
                            |> ignore
                ))
        |> ignore

        let app = builder.Build()

        app.Run(
            RequestDelegate(fun http ->
                seen.Enqueue {
                    Protocol = http.Request.Protocol
                    Scheme = http.Request.Scheme
                    Host = string http.Request.Host
                    Headers = [ for header in http.Request.Headers -> header.Key, string header.Value ]
                    ClientSubject =
                        match http.Connection.ClientCertificate with
                        | null -> None
                        | certificate -> Some certificate.Subject
                }

                handle.Invoke http)
        )

        do! app.StartAsync()
        return new Http2Backend(app, seen)
    }

    /// Cleartext, and nothing but HTTP/2.
    static member Cleartext(handle: HttpContext -> Task) =
        Http2Backend.Start(HttpProtocols.Http2, None, false, RequestDelegate handle)

    static member Tls(protocols, certificate: MadeCertificate, handle: HttpContext -> Task) =
        Http2Backend.Start(protocols, Some certificate.Certificate, false, RequestDelegate handle)

    interface IAsyncDisposable with
        member _.DisposeAsync() = app.DisposeAsync()
