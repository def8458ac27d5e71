namespace Conduit.Server

open System
open System.Collections.Generic
open System.Net.Quic
open System.Threading
open System.Threading.Tasks
open Conduit

/// A certificate as others may want to know of it.
type CertificateStatus = {
    File: string
    Hosts: HostPattern list
    NotAfter: DateTimeOffset
    /// Why a newer version of its files is not served.
    Fault: string option
}

/// How many TLS handshakes there were, by how they ended.
type HandshakeCounts = { Completed: Counter; Failed: Counter }

[<RequireQualifiedAccess>]
module HandshakeCounts =

    let none () = {
        Completed = Counter()
        Failed = Counter()
    }

/// How connections to the traffic port begin. Immutable, and read once for each connection.
type Entry = {
    /// Nothing where connections begin with HTTP.
    Tls: TlsState option
    /// What responses over TLS say in `Strict-Transport-Security`; null for nothing.
    Hsts: string | null
    /// What they say in `Alt-Svc`; null for nothing.
    AlternativeService: string | null
    /// Whose connections begin with a header of the PROXY protocol.
    ProxyFrom: AddressSet
    /// What is borne from slow clients.
    Clients: ClientLimits
}

[<RequireQualifiedAccess>]
module Entry =

    let plain = {
        Tls = None
        Hsts = null
        AlternativeService = null
        ProxyFrom = AddressSet.empty
        Clients = ClientLimits.defaults
    }

    let private ofTls (config: Config) (state: TlsState) = {
        Tls = Some state
        ProxyFrom = config.ProxyFrom
        Clients = config.Clients
        Hsts =
            match state.Config.Hsts with
            | Some seconds -> $"max-age={seconds}"
            | None -> null
        AlternativeService =
            match state.Config.Http3Port with
            // A day, which is what a client takes it for that is told nothing (RFC 7838 section 3.1).
            | Some port -> $"h3=\":{port}\"; ma=86400"
            | None -> null
    }

    let private fault (wrong: FileFault) =
        Fault.create "listen.tls" wrong.Why "put it right, or name another file"

    /// What pools show to backends and trust of them is read when a connection needs it; what is wrong with it
    /// is told beforehand.
    let private withBackends now config (entry: Result<'a, Fault list>) =
        match entry, BackendTrust.faults now config with
        | entry, [] -> entry
        | Ok _, faults -> Error faults
        | Error others, faults -> Error(others @ faults)

    /// Nobody is offered what this system cannot speak.
    let private withQuic (config: Config) (entry: Result<'a, Fault list>) =
        match config.Tls |> Option.bind _.Http3Port with
        | Some _ when not QuicListener.IsSupported ->
            let missing =
                Fault.create
                    "listen.tls.http3_port"
                    "HTTP/3 needs the library libmsquic, which this system does not have"
                    "install libmsquic 2.2 or newer, or take http3_port out"

            match entry with
            | Ok _ -> Error [ missing ]
            | Error others -> Error(others @ [ missing ])
        | _ -> entry

    let private ofConfig now (config: Config) : Result<Entry, Fault list> =
        match config.Tls with
        | None ->
            Ok {
                plain with
                    ProxyFrom = config.ProxyFrom
                    Clients = config.Clients
            }
        | Some tls ->
            TlsState.load now tls
            |> Result.map (ofTls config)
            |> Result.mapError (List.map fault)

    /// Reads the files that a configuration names.
    let read now config : Result<Entry, Fault list> =
        ofConfig now config |> withBackends now config |> withQuic config

    /// The same for a configuration that follows another; with what is wrong and stays as it was.
    let next now (before: Entry) (config: Config) : Result<Entry * FileFault list, Fault list> =
        match before.Tls, config.Tls with
        | Some old, Some tls ->
            TlsState.next now old tls
            |> Result.map (fun (state, faults) -> ofTls config state, faults)
            |> Result.mapError (List.map fault)
        | _ -> ofConfig now config |> Result.map (fun entry -> entry, [])
        |> withBackends now config
        |> withQuic config

/// IMPURE: the entry of the moment, which follows its files.
[<Sealed>]
type Entrance(clock: TimeProvider, log: Log, first: Entry) =

    /// So long before a certificate expires somebody must be told.
    static let warning = TimeSpan.FromDays 30.0

    let gate = obj ()
    let mutable current = first
    /// What was wrong at the last look.
    let mutable wrong: FileFault list = []
    let mutable told: FileFault list = []
    let warned = Dictionary<string, DateTimeOffset>()

    let tell (certificate: ServerCertificate) =
        log.CertificateServed(
            certificate.Files.CertFile,
            certificate.Hosts |> List.map string |> String.concat ", ",
            certificate.NotAfter,
            certificate.IsComplete
        )

    /// Once a day for each certificate.
    let warn () =
        let now = clock.GetUtcNow()

        for certificate in current.Tls |> Option.map _.Certificates |> Option.defaultValue [] do
            let file = certificate.Files.CertFile

            let isDue =
                match warned.TryGetValue file with
                | true, last -> now - last > TimeSpan.FromDays 1.0
                | _ -> true

            if certificate.NotAfter - now < warning && isDue then
                warned[file] <- now
                log.CertificateExpires(file, certificate.NotAfter)

    let refused (fault: FileFault) =
        log.CertificateRefused(fault.File, fault.Why)

    let put (entry: Entry) =
        let before = current.Tls |> Option.map _.Certificates |> Option.defaultValue []

        for certificate in entry.Tls |> Option.map _.Certificates |> Option.defaultValue [] do
            if not (List.contains certificate before) then
                tell certificate

        Volatile.Write(&current, entry)
        warn ()

    do
        first.Tls |> Option.iter (fun tls -> List.iter tell tls.Certificates)
        warn ()

    member _.Current = Volatile.Read &current

    /// The handshakes so far.
    member val Handshakes = HandshakeCounts.none ()

    /// Tells of a proxy whose header of the PROXY protocol is wrong.
    member _.ProxyRefused (proxy: string) (why: string) = log.ProxyRefused(proxy, why)

    /// The certificates that are served.
    member _.Certificates: CertificateStatus list =
        lock gate (fun () -> [
            for certificate in current.Tls |> Option.map _.Certificates |> Option.defaultValue [] do
                let file = certificate.Files.CertFile

                {
                    File = file
                    Hosts = certificate.Hosts
                    NotAfter = certificate.NotAfter
                    Fault = wrong |> List.tryFind (fun fault -> fault.File = file) |> Option.map _.Why
                }
        ])

    /// Looks whether files have changed. A pair is seldom replaced in one step, so what is wrong is told
    /// only when it still is at the next look.
    member _.Look() =
        lock gate (fun () ->
            match current.Tls with
            | None -> ()
            | Some tls ->
                let renewed, now = TlsState.renew (clock.GetUtcNow()) tls

                if obj.ReferenceEquals(renewed, tls) then
                    warn ()
                else
                    put { current with Tls = Some renewed }

                let lasting = now |> List.filter (fun fault -> List.contains fault wrong)
                lasting |> List.except told |> List.iter refused
                told <- lasting
                wrong <- now)

    /// What puts the entry of another configuration in the place of this one, once its files are read.
    member this.Prepare(config: Config) : Result<unit -> unit, Fault list> =
        Entry.next (clock.GetUtcNow()) this.Current config
        |> Result.map (fun (entry, now) ->
            fun () ->
                lock gate (fun () ->
                    List.iter refused now
                    told <- now
                    wrong <- now
                    put entry))

    /// Looks again and again, until the balancer stops.
    member this.Watch(stopping: CancellationToken) : Task = task {
        try
            while not stopping.IsCancellationRequested do
                let interval =
                    match this.Current.Tls with
                    | Some tls -> tls.Config.ReloadInterval
                    | None -> TlsConfig.defaultReloadInterval

                do! Task.Delay(interval, clock, stopping)
                this.Look()
        with :? OperationCanceledException when stopping.IsCancellationRequested ->
            ()
    }
