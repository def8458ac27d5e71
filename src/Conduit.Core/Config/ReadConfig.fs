namespace Conduit

open System
open System.Net
open FsToolkit.ErrorHandling

/// What one of the names of the traffic port's section says.
type private Listening = {
    Host: IPAddress option
    Port: int option
    Tls: TlsConfig option
    ProxyFrom: AddressSet
    Heads: HeadLimits option
    /// What it says of slow clients, over what is there.
    Clients: ClientLimits -> ClientLimits
}

/// Reads a whole configuration: Conduit's own shape and the three that existing systems use, which are
/// subsets of it under a few other names.
[<RequireQualifiedAccess>]
module ReadConfig =

    let private nowhere = {
        Host = None
        Port = None
        Tls = None
        ProxyFrom = AddressSet.empty
        Heads = None
        Clients = id
    }

    let private heads place : Validation<HeadLimits, Fault> =
        let defaults = HeadLimits.defaults

        validation {
            let! line =
                place
                |> Place.value "max_request_line" (Scalars.whole 256 262_144) defaults.Line

            and! fields =
                place
                |> Place.value "max_header_size" (Scalars.whole 1024 262_144) defaults.Fields

            and! count =
                place |> Place.value "max_header_count" (Scalars.whole 1 10_000) defaults.Count

            return {
                Line = line
                Fields = fields
                Count = count
            }
        }

    let private clients place : Validation<ClientLimits -> ClientLimits, Fault> =
        let duration = Duration.parseAtLeast (TimeSpan.FromMilliseconds 1.0)

        validation {
            let! header = place |> Place.optional "header_timeout" duration
            and! keepAlive = place |> Place.optional "keep_alive_timeout" duration
            and! rate = place |> Place.optional "min_rate" Scalars.size
            and! grace = place |> Place.optional "min_rate_grace" duration

            return
                fun limits -> {
                    HeaderTimeout = defaultArg header limits.HeaderTimeout
                    KeepAlive = defaultArg keepAlive limits.KeepAlive
                    MinRate = defaultArg rate limits.MinRate
                    Grace = defaultArg grace limits.Grace
                }
        }

    /// `listen` or `server`: `host`, `port` and `tls`, or a text such as `:3332`.
    let private listener readSecret key (root: Place) : Validation<Listening, Fault> =
        match Place.tryFind key root with
        | None -> Ok nowhere
        | Some place ->
            match place.Node.Value with
            | NodeValue.Scalar _ ->
                place
                |> Place.read Scalars.listen
                |> Validation.map (fun (host, port) -> {
                    nowhere with
                        Host = host
                        Port = Some port
                })
            | _ -> validation {
                let! () = Place.onlyKnown Keys.listener place
                and! host = place |> Place.optional "host" Scalars.address
                and! port = place |> Place.optional "port" Scalars.port
                and! tls = place |> Place.section "tls" (ReadTls.read readSecret) None
                and! proxies = ReadAdmission.addresses "proxy_protocol" place
                and! heads = heads place
                and! clients = clients place

                return {
                    Host = host
                    Port = port
                    Tls = tls
                    ProxyFrom = proxies
                    Heads = Some heads
                    Clients = clients
                }
              }

    let private listen
        readSecret
        (root: Place)
        : Validation<IPEndPoint * TlsConfig option * AddressSet * HeadLimits * ClientLimits, Fault> =
        validation {
            let! listen = listener readSecret "listen" root
            and! server = listener readSecret "server" root
            and! goStyle = root |> Place.optional "lb_port" Scalars.listen
            and! () = Place.onlyOneOf [ "listen"; "server"; "lb_port" ] root

            let go =
                match goStyle with
                | Some(host, port) -> {
                    nowhere with
                        Host = host
                        Port = Some port
                  }
                | None -> nowhere

            let all = [ listen; server; go ]

            return
                IPEndPoint(
                    all |> List.tryPick _.Host |> Option.defaultValue IPAddress.Any,
                    all |> List.tryPick _.Port |> Option.defaultValue Config.defaultPort
                ),
                all |> List.tryPick _.Tls,
                all |> List.map _.ProxyFrom |> AddressSet.union,
                all |> List.tryPick _.Heads |> Option.defaultValue HeadLimits.defaults,
                (ClientLimits.defaults, all)
                ||> List.fold (fun limits listening -> listening.Clients limits)
        }

    let private adminOf readSecret (place: Place) : Validation<AdminConfig option, Fault> = validation {
        let! () = Place.onlyKnown Keys.admin place
        and! host = place |> Place.optional "host" Scalars.address
        and! port = place |> Place.optional "port" (Scalars.whole 0 65535)
        and! token = place |> Place.optional "token" (Secret.read readSecret Secret.token)

        and! hosts =
            Place.items "hosts" place
            |> Result.bind (List.traverseValidationA (Place.read Scalars.string))

        and! readOnly = place |> Place.value "read_only" Scalars.boolean false
        let address = host |> Option.defaultValue IPAddress.Loopback
        let number = port |> Option.defaultValue Config.defaultAdminPort

        let! () =
            match host, token with
            | Some host, None when port <> Some 0 && not (IPAddress.IsLoopback host) ->
                Error [
                    Place.fault
                        place
                        $"the admin port is open to others on {host}, without a token"
                        "set admin.token (16 characters or more), or bind it to 127.0.0.1"
                ]
            | _ -> Ok()

        return
            if number = 0 then
                None
            else
                Some {
                    EndPoint = IPEndPoint(address, number)
                    Asked = host.IsSome || port.IsSome
                    Token = token
                    Hosts = hosts
                    ReadOnly = readOnly
                }
    }

    let private defaultAdmin = {
        EndPoint = IPEndPoint(IPAddress.Loopback, Config.defaultAdminPort)
        Asked = false
        Token = None
        Hosts = []
        ReadOnly = false
    }

    let private resolver (root: Place) : Validation<ResolverSettings, Fault> =
        let defaults = ResolverSettings.defaults
        let duration = Duration.parseAtLeast (TimeSpan.FromMilliseconds 100.0)

        root
        |> Place.section
            "resolver"
            (fun place -> validation {
                let! () = Place.onlyKnown Keys.resolver place
                and! servers = place |> Place.list "servers" Scalars.nameServer defaults.Servers
                and! least = place |> Place.value "min_interval" duration defaults.MinInterval
                and! most = place |> Place.optional "max_interval" duration
                and! timeout = place |> Place.value "timeout" duration defaults.Timeout

                return {
                    Servers = servers
                    MinInterval = least
                    MaxInterval = most |> Option.defaultValue defaults.MaxInterval |> max least
                    Timeout = timeout
                }
            })
            defaults

    let private named readSecret (root: Place) : Validation<PoolConfig list, Fault> =
        root
        |> Place.section
            "pools"
            (Place.children
             >> Result.bind (
                 List.traverseValidationA (fun (key, place) -> validation {
                     let! name = PoolName.create (Place.where place) key |> Result.mapError List.singleton
                     and! () = Place.onlyKnown Keys.pool place
                     and! pool = ReadPool.read readSecret PoolName.defaultPool place
                     return { pool with Name = name }
                 })
             ))
            []

    let private hasFlatPool (root: Place) =
        Keys.pool |> List.exists (fun key -> (Place.tryFind key root).IsSome)

    /// The pools: `default` when the flat form describes it, and the named ones.
    let private pools readSecret (root: Place) : Validation<PoolConfig list, Fault> =
        let section = Place.tryFind "pools" root

        let namedDefault =
            section
            |> Option.bind (Place.tryFind (PoolName.value PoolName.defaultPool))
            |> Option.filter (fun _ -> hasFlatPool root)

        validation {
            let! named = named readSecret root

            and! flat =
                // Also when there is no pool at all, for the fault that this is.
                if hasFlatPool root || section.IsNone then
                    ReadPool.read readSecret PoolName.defaultPool root
                    |> Validation.map List.singleton
                else
                    Ok []

            and! () =
                match namedDefault with
                | None -> Ok()
                | Some place ->
                    Error [
                        Place.fault
                            place
                            "the pool default is described here and at the top"
                            "move the keys at the top into pools.default"
                    ]

            let! () =
                match section, named @ flat with
                | Some section, [] -> Error [ Place.fault section "names no pool" "describe at least one" ]
                | _ -> Ok()

            return flat @ named
        }

    /// Who trusts everybody has no use for a list of those to be trusted.
    let private trustedProxies (root: Place) : Validation<AddressSet, Fault> = validation {
        let! proxies = ReadAdmission.addresses "trusted_proxies" root

        and! everybody =
            match Place.tryFind "trust_forwarded" root |> Option.map (Place.read Scalars.boolean) with
            | Some(Ok everybody) -> Ok everybody
            | _ -> Ok false

        return!
            if everybody && not (AddressSet.isEmpty proxies) then
                Error [
                    Place.fault
                        root
                        "trust_forwarded trusts everybody, and trusted_proxies some"
                        "remove trust_forwarded, and name all proxies"
                ]
            else
                Ok proxies
    }

    let private transports = [
        "auto", Transport.Auto
        "epoll", Transport.Epoll
        "sockets", Transport.Portable
        "httpclient", Transport.Library
    ]

    let private log (root: Place) : Validation<LogFormat * LogLevel, Fault> =
        let levels = [
            "debug", LogLevel.Debug
            "info", LogLevel.Info
            "warning", LogLevel.Warning
            "error", LogLevel.Error
        ]

        root
        |> Place.section
            "log"
            (fun place -> validation {
                let! () = Place.onlyKnown Keys.log place

                and! format =
                    place |> Place.value "format" (Scalars.oneOf LogFormat.names) LogFormat.Text

                and! level = place |> Place.value "level" (Scalars.oneOf levels) LogLevel.Info
                return format, level
            })
            (LogFormat.Text, LogLevel.Info)

    /// The names of the pools that are described, well or not: a fault in a pool is none of its routes.
    let private declared (root: Place) = [
        if Keys.pool |> List.exists (fun key -> (Place.tryFind key root).IsSome) then
            PoolName.defaultPool

        match Place.tryFind "pools" root |> Option.map Place.children with
        | Some(Ok children) ->
            for key, place in children do
                match PoolName.create (Place.where place) key with
                | Ok name -> name
                | Error _ -> ()
        | _ -> ()
    ]

    /// Only Conduit's own client can send what `send_proxy` asks for.
    let private carried root transport (pools: PoolConfig list) : Validation<unit, Fault> =
        if
            transport = Transport.Library
            && pools |> List.exists (fun pool -> pool.Settings.Upstream.SendProxy.IsSome)
        then
            Error [
                Place.fault
                    (Place.tryFind "transport" root |> Option.defaultValue root)
                    "the transport httpclient cannot send the header that send_proxy asks for"
                    "use another transport, or remove send_proxy"
            ]
        else
            Ok()

    /// Reads the document. `readSecret` gives the contents of a file, or why it cannot be read.
    let read readSecret (document: Node) : Validation<Config, Fault> =
        let root = Place.root document

        validation {
            let! () = Place.onlyKnown (Keys.root @ Keys.pool) root
            and! listen, tls, proxyFrom, heads, clients = listen readSecret root
            and! admin = root |> Place.section "admin" (adminOf readSecret) (Some defaultAdmin)
            and! resolver = resolver root
            and! pools = pools readSecret root

            and! drain =
                root |> Place.value "drain_timeout" Duration.parse Config.defaultDrainTimeout

            and! statsPath = root |> Place.optional "stats_path" Scalars.path
            and! metrics = ReadMetrics.read root
            and! accessLog = ReadAccessLog.read root
            and! telemetry = ReadTelemetry.read root
            and! requestId = ReadAccessLog.requestId root
            and! trust = root |> Place.value "trust_forwarded" Scalars.boolean false
            and! proxies = trustedProxies root

            and! transport =
                root |> Place.value "transport" (Scalars.oneOf transports) Transport.Auto

            and! format, level = log root
            and! routes = ReadRoutes.read (declared root) root
            let! () = carried root transport pools

            return {
                Listen = listen
                Tls = tls
                ProxyFrom = proxyFrom
                Heads = heads
                Clients = clients
                Admin = admin
                Resolver = resolver
                Pools = pools
                Routes = routes
                DrainTimeout = drain
                StatsPath = statsPath
                Metrics = metrics
                AccessLog = accessLog
                Telemetry = telemetry
                RequestId = requestId
                TrustForwarded = trust
                TrustedProxies = proxies
                Transport = transport
                LogFormat = format
                LogLevel = level
            }
        }
