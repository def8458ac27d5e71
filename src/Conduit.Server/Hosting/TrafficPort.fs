namespace Conduit.Server

open System
open System.Net
open System.Threading
open System.Threading.Tasks
open Conduit

/// A listener that takes no more connections, while its requests in flight finish.
type private Leaving = {
    Listener: Listener
    /// Gives the requests that were cut off.
    Ended: Task<int>
}

/// A listener, and the address that was asked for.
type private Site = {
    Asked: IPEndPoint
    Listener: Listener
}

/// What listeners are opened with.
type private Openers = {
    Traffic: LoadedConfig -> IPEndPoint -> Task<Result<Listener, Fault>>
    /// The port that sends to https.
    Redirect: LoadedConfig -> IPEndPoint -> Task<Result<Listener, Fault>>
}

/// IMPURE: the traffic port, the one that sends to it, and those before them whose requests in flight still
/// finish. They are moved and drained by one caller at a time.
[<Sealed>]
type TrafficPort
    private (openers: Openers, entrance: Entrance, first: Site, firstRedirect: Site option, log: Log) =

    let stopping = new CancellationTokenSource()
    let mutable current = first
    let mutable redirect = firstRedirect
    let mutable leaving: Leaving list = []

    /// Where requests that are to go to https come in.
    static let redirectOf (config: Config) =
        config.Tls
        |> Option.bind _.RedirectPort
        |> Option.map (fun port -> IPEndPoint(config.Listen.Address, port))

    /// The site for an address: the one there is, if it has that address.
    static let openSite listen (before: Site option) (wanted: IPEndPoint) : Task<Result<Site, Fault>> = task {
        match before with
        | Some site when site.Asked = wanted -> return Ok site
        | _ ->
            match! listen wanted with
            | Ok listener -> return Ok { Asked = wanted; Listener = listener }
            | Error fault -> return Error fault
    }

    static let openRedirect openers before (loaded: LoadedConfig) : Task<Result<Site option, Fault>> = task {
        match redirectOf loaded.Config with
        | None -> return Ok None
        | Some wanted ->
            match! openSite (openers.Redirect loaded) before wanted with
            | Ok site -> return Ok(Some site)
            | Error fault -> return Error fault
    }

    let leave (old: Listener) timeout : Task<int> = task {
        try
            let! cut = old.Drain(timeout, stopping.Token)
            log.PortClosed(old.Url, cut)
            return cut
        with error ->
            log.Failed($"Closing {old.Url}", error)
            return 0
    }

    let isNew (before: Site option) (site: Site) =
        match before with
        | Some before -> not (obj.ReferenceEquals(before.Listener, site.Listener))
        | None -> true

    /// The old listener takes no more connections, and finishes what it has.
    let retire timeout (old: Site) =
        leaving <-
            {
                Listener = old.Listener
                Ended = leave old.Listener timeout
            }
            :: (leaving |> List.filter (fun each -> not each.Ended.IsCompleted))

    let replace timeout (site: Site) (redirected: Site option) =
        if isNew (Some current) site then
            log.Listening site.Listener.Url
            retire timeout current
            current <- site

        match redirect, redirected with
        | Some old, None -> retire timeout old
        | Some old, Some site when isNew redirect site -> retire timeout old
        | _ -> ()

        redirect <- redirected

    /// Where clients reach it.
    member _.Url = current.Listener.Url

    /// Requests in flight, on all ports.
    member _.Active =
        current.Listener.Active
        + (leaving |> List.sumBy (fun each -> each.Listener.Active))

    /// Connections that clients have open, on all ports.
    member _.Connections =
        current.Listener.Connections
        + (leaving |> List.sumBy (fun each -> each.Listener.Connections))

    /// Takes the ports; the fault says why one cannot be had. Requests that go no further than their heads
    /// are counted in `refused`.
    static member Open
        (loaded: LoadedConfig, entrance: Entrance, refused: Rejections, endings: Http2Endings, serve, log: Log) : Task<
            Result<TrafficPort, Fault>
                                                                                                                   >
        = task {
        let config = loaded.Config

        let clear =
            Entrance(
                TimeProvider.System,
                log,
                {
                    Entry.plain with
                        Clients = config.Clients
                }
            )

        let mutable httpsPort = fun () -> config.Listen.Port

        let openers = {
            Traffic =
                fun loaded endPoint ->
                    Binding.attempt loaded.Places.Traffic endPoint (fun () ->
                        Listener.Start(
                            endPoint,
                            config.Transport,
                            entrance,
                            loaded.Config.Heads,
                            refused,
                            endings,
                            serve,
                            log.Factory
                        ))
            Redirect =
                fun loaded endPoint ->
                    let toHttps = Redirect.serve (fun () -> httpsPort ())

                    Binding.attempt loaded.Places.Redirect endPoint (fun () ->
                        Listener.Start(
                            endPoint,
                            config.Transport,
                            clear,
                            loaded.Config.Heads,
                            refused,
                            endings,
                            toHttps,
                            log.Factory
                        ))
        }

        match! openSite (openers.Traffic loaded) None config.Listen with
        | Error fault -> return Error fault
        | Ok site ->
            match! openRedirect openers None loaded with
            | Error fault ->
                let! _ = site.Listener.Drain(config.DrainTimeout, CancellationToken.None)
                return Error fault
            | Ok redirect ->
                let port = new TrafficPort(openers, entrance, site, redirect, log)
                httpsPort <- fun () -> Uri(port.Url).Port
                return Ok port
    }

    /// Reads the files of another configuration and opens its ports, unless they are those there are; gives
    /// what then puts them in the place of the old ones. The requests of those get `timeout` to finish.
    member _.Move(loaded: LoadedConfig, timeout: TimeSpan) : Task<Result<unit -> unit, Fault list>> = task {
        let wanted = loaded.Config

        match entrance.Prepare wanted with
        | Error faults -> return Error faults
        | Ok enter ->
            match! openSite (openers.Traffic loaded) (Some current) wanted.Listen with
            | Error fault -> return Error [ fault ]
            | Ok site ->
                match! openRedirect openers redirect loaded with
                | Error fault ->
                    if isNew (Some current) site then
                        let! _ = site.Listener.Drain(TimeSpan.Zero, CancellationToken.None)
                        ()

                    return Error [ fault ]
                | Ok redirected ->
                    return
                        Ok(fun () ->
                            enter ()
                            site.Listener.Limit wanted

                            redirected |> Option.iter _.Listener.Limit(wanted)
                            replace timeout site redirected)
    }

    /// Drains the ports, and waits for those before them too, all within `timeout`. Gives the number of
    /// requests that were cut off.
    member _.Drain(timeout: TimeSpan) : Task<int> = task {
        stopping.CancelAfter timeout
        redirect |> Option.iter (retire timeout)
        let! cut = current.Listener.Drain(timeout, CancellationToken.None)
        let! before = Task.WhenAll(leaving |> List.map _.Ended)
        return cut + Array.sum before
    }

    interface IDisposable with
        member _.Dispose() = stopping.Dispose()
