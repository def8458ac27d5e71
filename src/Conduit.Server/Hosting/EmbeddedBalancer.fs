namespace Conduit.Server

open System
open System.Collections.Concurrent
open System.Threading.Tasks
open Microsoft.AspNetCore.Connections.Features
open Microsoft.AspNetCore.Http
open Microsoft.Extensions.Logging
open Conduit

/// A balancer without ports of its own, for an application that has some: it serves the requests that the
/// application gives it. Its configuration is read once, at the start; `listen`, `admin` and `log` in it are
/// the application's business.
[<Sealed>]
type EmbeddedBalancer internal (parts: Parts, serve: Exchange -> Task, background: Task) =

    static let key = obj ()

    /// What the application says of transport security, and bears from slow clients, is its own business.
    static let inside = {
        Conduit.Server.Entry.plain with
            Clients = ClientLimits.any
    }

    /// The exchanges of a client's connection that serve no request at the moment.
    static let restingOn (http: HttpContext) =
        match http.Features.Get<IConnectionItemsFeature>() with
        | null -> None
        | feature ->
            let items = feature.Items

            lock items (fun () ->
                match items.TryGetValue key with
                | true, (:? ConcurrentBag<Exchange> as resting) -> Some resting
                | _ ->
                    let resting = ConcurrentBag<Exchange>()
                    items[key] <- resting
                    Some resting)

    member _.Agent = parts.Agent

    /// Serves a request of the application to its end. Throws nothing.
    member _.Serve(http: HttpContext) : Task = task {
        let resting = restingOn http

        let exchange =
            match resting |> Option.map _.TryTake() with
            | Some(true, exchange) -> exchange
            | _ -> Exchange(parts.Lifetime, Deadlines.Shared, fun () -> inside)

        exchange.Begin http.Features

        try
            do! serve exchange
        finally
            exchange.End()

            match resting with
            | Some resting -> resting.Add exchange
            // Nobody will say when its connection ends.
            | None -> Deadlines.Shared.Forget exchange
    }

    /// Reads the configuration and begins to watch the backends.
    static member Start
        (source: ConfigSource, extensions: Extensions, loggers: ILoggerFactory)
        : Task<Result<EmbeddedBalancer, Fault list>> = task {
        let read () =
            ConfigSource.load source
            |> Result.bind (Extensions.apply extensions)
            |> Result.bind (fun loaded ->
                AccessLog.Check loaded.Config.AccessLog |> Result.map (fun () -> loaded))

        match read () with
        | Error faults -> return Error faults
        | Ok loaded ->

            // What the application does after an answer may block; on an event loop it must not.
            let transport =
                match loaded.Config.Transport with
                | Transport.Library -> Transport.Library
                | _ -> Transport.Portable

            let parts = Parts.start transport loaded.Config.Telemetry extensions loggers
            parts.Log.Doubts loaded.Config
            parts.AccessLog.Apply loaded.Config.AccessLog
            let! _ = parts.Agent.Update(Reload.initial loaded.Config)
            do! parts.Resolver.Sync loaded.Config.Resolver
            let configuration = Reloading.configuration parts source loaded
            let stats = Stats.handle parts.Agent parts.Figures parts.Memory Parts.now
            // The application has the port and its certificates.
            let families =
                Parts.families parts configuration (fun () -> []) (HandshakeCounts.none ()) (fun () -> None)

            let serve =
                Parts.serve parts configuration (fun () -> Int32.MaxValue) stats (Exposition.handle families)

            parts.Prober.Begin()
            return Ok(EmbeddedBalancer(parts, serve, Parts.takeFigures parts))
    }

    /// From now on answers say that the connection ends.
    member _.Drain() = parts.Lifetime.Drain()

    interface IAsyncDisposable with
        member _.DisposeAsync() =
            ValueTask(
                task {
                    Parts.dispose parts
                    do! background
                }
                :> Task
            )
