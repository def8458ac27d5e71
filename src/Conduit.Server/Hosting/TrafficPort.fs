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

/// The ports beside it, where they are asked for.
type private Beside = {
    /// Sends to https.
    Redirect: Site option
    /// HTTP/3.
    Http3: Site option
}

/// What listeners are opened with.
type private Openers = {
    Traffic: LoadedConfig -> IPEndPoint -> Task<Result<Listener, Fault>>
    Redirect: LoadedConfig -> IPEndPoint -> Task<Result<Listener, Fault>>
    Http3: LoadedConfig -> IPEndPoint -> Task<Result<Listener, Fault>>
}

/// IMPURE: the traffic port, those beside it, and those before them whose requests in flight still finish. They are moved and drained by one caller at a time.
[<Sealed>]
type TrafficPort private (openers: Openers, entrance: Entrance, first: Site, firstBeside: Beside, log: Log) =

    let stopping = new CancellationTokenSource()
    let mutable current = first
    let mutable beside = firstBeside
    let mutable leaving: Leaving list = []

    /// The site for an address: the one there is, if it has that address.
    static let openSite listen (before: Site option) (wanted: IPEndPoint) : Task<Result<Site, Fault>> = task {
        match before with
        | Some site when site.Asked = wanted -> return Ok site
        | _ ->
            match! listen wanted with
            | Ok listener -> return Ok { Asked = wanted; Listener = listener }
            | Error fault -> return Error fault
    }

    static let isNew (before: Site option) (site: Site) =
        match before with
        | Some before -> not (obj.ReferenceEquals(before.Listener, site.Listener))
        | None -> true

    /// Closes what was opened for nothing.
    static let giveUp before (site: Site) : Task = task {
        if isNew before site then
            let! _ = site.Listener.Drain(TimeSpan.Zero, CancellationToken.None)
            ()
    }

    /// The site at a port of the configuration's address, if one is named.
    static let openAt listen before port (config: Config) : Task<Result<Site option, Fault>> = task {
        match config.Tls |> Option.bind port with
        | None -> return Ok None
        | Some port ->
            match! openSite listen before (IPEndPoint(config.Listen.Address, port)) with
            | Ok site -> return Ok(Some site)
            | Error fault -> return Error fault
    }

    static let openBeside openers (before: Beside) (loaded: LoadedConfig) : Task<Result<Beside, Fault>> = task {
        match! openAt (openers.Redirect loaded) before.Redirect _.RedirectPort loaded.Config with
        | Error fault -> return Error fault
        | Ok redirect ->
            match! openAt (openers.Http3 loaded) before.Http3 _.Http3Port loaded.Config with
            | Ok http3 -> return Ok { Redirect = redirect; Http3 = http3 }
            | Error fault ->
                match redirect with
                | Some site -> do! giveUp before.Redirect site
                | None -> ()

                return Error fault
    }

    let tell (site: Site) = log.Listening site.Listener.Name

    let leave (old: Listener) timeout : Task<int> = task {
        try
            let! cut = old.Drain(timeout, stopping.Token)
            log.PortClosed(old.Name, cut)
            return cut
        with error ->
            log.Failed($"Closing {old.Name}", error)
            return 0
    }

    /// The old listener takes no more connections, and finishes what it has.
    let retire timeout (old: Site) =
        leaving <-
            {
                Listener = old.Listener
                Ended = leave old.Listener timeout
            }
            :: (leaving |> List.filter (fun each -> not each.Ended.IsCompleted))

    let replaceBeside timeout (old: Site option) (next: Site option) =
        match old, next with
        | Some old, None -> retire timeout old
        | Some old, Some site when isNew (Some old) site -> retire timeout old
        | _ -> ()

    let replace timeout (site: Site) (next: Beside) =
        if isNew (Some current) site then
            tell site
            retire timeout current
            current <- site

        next.Http3 |> Option.filter (isNew beside.Http3) |> Option.iter tell
        replaceBeside timeout beside.Redirect next.Redirect
        replaceBeside timeout beside.Http3 next.Http3
        beside <- next

    /// All that takes requests for backends.
    let listeners () = [
        current.Listener
        yield! beside.Http3 |> Option.toList |> List.map _.Listener
        yield! leaving |> List.map _.Listener
    ]

    /// Where clients reach it.
    member _.Url = current.Listener.Url

    /// Tells the log where it listens.
    member _.LogListening() =
        tell current
        beside.Http3 |> Option.iter tell

    /// Requests in flight, on all ports.
    member _.Active = listeners () |> List.sumBy _.Active

    /// Connections that clients have open, on all ports.
    member _.Connections = listeners () |> List.sumBy _.Connections

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
            Http3 =
                fun loaded endPoint ->
                    Binding.attempt loaded.Places.Http3 endPoint (fun () ->
                        Listener.StartQuic(
                            endPoint,
                            entrance,
                            loaded.Config.Heads,
                            refused,
                            serve,
                            log.Factory
                        ))
        }

        match! openSite (openers.Traffic loaded) None config.Listen with
        | Error fault -> return Error fault
        | Ok site ->
            match! openBeside openers { Redirect = None; Http3 = None } loaded with
            | Error fault ->
                let! _ = site.Listener.Drain(config.DrainTimeout, CancellationToken.None)
                return Error fault
            | Ok beside ->
                let port = new TrafficPort(openers, entrance, site, beside, log)
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
                match! openBeside openers beside loaded with
                | Error fault ->
                    do! giveUp (Some current) site
                    return Error [ fault ]
                | Ok next ->
                    return
                        Ok(fun () ->
                            enter ()

                            for site in site :: List.choose id [ next.Redirect; next.Http3 ] do
                                site.Listener.Limit wanted

                            replace timeout site next)
    }

    /// Drains the ports, and waits for those before them too, all within `timeout`. Gives the number of
    /// requests that were cut off.
    member _.Drain(timeout: TimeSpan) : Task<int> = task {
        stopping.CancelAfter timeout
        List.choose id [ beside.Redirect; beside.Http3 ] |> List.iter (retire timeout)
        let! cut = current.Listener.Drain(timeout, CancellationToken.None)
        let! before = Task.WhenAll(leaving |> List.map _.Ended)
        return cut + Array.sum before
    }

    interface IDisposable with
        member _.Dispose() = stopping.Dispose()
