namespace Conduit

open System
open FsToolkit.ErrorHandling

/// Reads the policies and backends of a pool. The same keys stand in a named pool and, as sugar for
/// the pool `default`, at the top of the file.
[<RequireQualifiedAccess>]
module ReadPool =

    let private shortest = TimeSpan.FromMilliseconds 1.0

    let private probe place : Validation<Probe, Fault> = validation {
        let! kind =
            place |> Place.optional "type" (Scalars.oneOf [ "tcp", "tcp"; "http", "http" ])

        and! path = place |> Place.optional "path" Scalars.path

        let! probe =
            match kind, path with
            | Some "tcp", Some _ ->
                Error [
                    Place.fault
                        place
                        "has a path, but TCP checks ask for none"
                        "remove the path, or set type to http"
                ]
            | Some "tcp", None
            | None, None -> Ok Probe.Tcp
            | _, Some path -> Ok(Probe.Http path)
            | _, None -> Ok(Probe.Http "/")

        return probe
    }

    let private healthCheck (defaults: HealthCheck) place : Validation<HealthCheck, Fault> =
        let count = Scalars.whole 1 1000

        validation {
            let! () = Place.onlyKnown Keys.healthCheck place
            and! probe = probe place

            and! interval =
                place
                |> Place.value
                    "interval"
                    (Duration.parseAtLeast (TimeSpan.FromMilliseconds 50.0))
                    defaults.Interval

            and! timeout =
                place |> Place.value "timeout" (Duration.parseAtLeast shortest) defaults.Timeout

            and! rise = place |> Place.value "rise" count defaults.Thresholds.Rise
            and! fall = place |> Place.either [ "fall"; "failure_threshold" ] count

            return {
                Probe = probe
                Interval = interval
                Timeout = timeout
                Thresholds = {
                    Rise = rise
                    Fall = fall |> Option.defaultValue defaults.Thresholds.Fall
                }
            }
        }

    let private timeouts (defaults: Timeouts) place : Validation<Timeouts, Fault> =
        let duration key fallback =
            place |> Place.value key (Duration.parseAtLeast shortest) fallback

        validation {
            let! () = Place.onlyKnown Keys.timeouts place
            and! connect = duration "connect" defaults.Connect
            and! response = duration "response" defaults.Response
            and! idle = duration "idle" defaults.Idle
            and! request = place |> Place.optional "request" (Duration.parseAtLeast shortest)

            return {
                Connect = connect
                Response = response
                Idle = idle
                Request = request
            }
        }

    let private circuitBreaker place : Validation<BreakerSettings option, Fault> =
        let defaults = Breaker.defaults
        let count = Scalars.whole 1 1_000_000
        let duration = Duration.parseAtLeast shortest

        validation {
            let! () = Place.onlyKnown Keys.circuitBreaker place
            and! on = place |> Place.value "enabled" Scalars.boolean true

            and! threshold =
                place |> Place.value "failure_threshold" count defaults.FailureThreshold

            and! reset = place |> Place.value "reset_timeout" duration defaults.ResetTimeout
            and! longest = place |> Place.optional "max_reset_timeout" duration
            and! limit = place |> Place.value "half_open_limit" count defaults.HalfOpenLimit

            and! statuses =
                place
                |> Place.list "failure_statuses" StatusSet.parse [ defaults.FailureStatuses ]

            return
                if on then
                    Some {
                        FailureThreshold = threshold
                        ResetTimeout = reset
                        MaxResetTimeout = longest |> Option.defaultValue reset |> max reset
                        HalfOpenLimit = limit
                        FailureStatuses = StatusSet.union statuses
                    }
                else
                    None
        }

    let private budget (defaults: RetryBudget) place : Validation<RetryBudget, Fault> = validation {
        let! () = Place.onlyKnown Keys.retryBudget place

        and! percentage =
            place
            |> Place.value "percentage" (Scalars.number 0.0 1000.0) defaults.Percentage

        and! perSecond =
            place
            |> Place.value "per_second" (Scalars.number 0.0 1_000_000.0) defaults.PerSecond

        return {
            Percentage = percentage
            PerSecond = perSecond
        }
    }

    /// The largest body that is kept, whatever is asked for.
    let private largestBuffer = 1024L * 1024L

    let private retry (defaults: RetrySettings) place : Validation<RetrySettings, Fault> =
        let backOff = defaults.BackOff

        validation {
            let! () = Place.onlyKnown Keys.retry place
            and! most = place |> Place.value "max_retries" (Scalars.whole 0 100) defaults.Most
            and! initial = place |> Place.value "initial_interval" Duration.parse backOff.Initial
            and! longest = place |> Place.value "max_interval" Duration.parse backOff.Longest

            and! multiplier =
                place |> Place.value "multiplier" (Scalars.number 1.0 100.0) backOff.Multiplier

            and! randomization =
                place
                |> Place.value "randomization" (Scalars.number 0.0 1.0) backOff.Randomization

            and! tryTimeout =
                place |> Place.optional "try_timeout" (Duration.parseAtLeast shortest)

            and! totalTimeout =
                place |> Place.optional "total_timeout" (Duration.parseAtLeast shortest)

            and! statuses = place |> Place.list "statuses" StatusSet.parse []

            and! budget =
                place |> Place.section "budget" (budget defaults.Budget) defaults.Budget

            and! buffer = place |> Place.value "buffer" Scalars.size (int64 defaults.Buffer)

            return {
                Most = most
                BackOff = {
                    Initial = initial
                    Longest = longest
                    Multiplier = multiplier
                    Randomization = randomization
                }
                TryTimeout = tryTimeout
                TotalTimeout = totalTimeout
                Statuses = StatusSet.union statuses
                Budget = budget
                Buffer = int (min buffer largestBuffer)
            }
        }

    /// `max_connections`, and `queue` for what goes beyond it.
    let private limit place : Validation<ConnectionLimit option, Fault> =
        let length, timeout = 1000, TimeSpan.FromSeconds 1.0

        let queue place = validation {
            let! () = Place.onlyKnown Keys.queue place
            and! length = place |> Place.value "length" (Scalars.whole 0 1_000_000) length

            and! timeout =
                place |> Place.value "timeout" (Duration.parseAtLeast shortest) timeout

            return length, timeout
        }

        validation {
            let! most = place |> Place.optional "max_connections" (Scalars.whole 1 1_000_000)
            and! length, timeout = place |> Place.section "queue" queue (length, timeout)

            return
                most
                |> Option.map (fun most -> {
                    Most = most
                    QueueLength = length
                    QueueTimeout = timeout
                })
        }

    /// A backend as a URL with options, or as a section of its keys.
    let private backend (place: Place) : Validation<BackendSpec, Fault> =
        match place.Node.Value with
        | NodeValue.Mapping _ -> validation {
            let! () = Place.onlyKnown Keys.backend place

            and! url =
                match Place.tryFind "url" place with
                | Some url -> Place.read BackendUrl.parse url
                | None -> Error [ Place.fault place "has no url" "write url: http://host:port" ]

            and! id = place |> Place.optional "id" BackendId.create
            and! weight = place |> Place.value "weight" Weight.parse Weight.one
            and! backup = place |> Place.value "backup" Scalars.boolean false
            and! resolve = place |> Place.value "resolve" BackendSpec.resolve false

            let! all =
                BackendSpec.resolved (Place.where place) url resolve
                |> Result.mapError List.singleton

            return {
                Id = id |> Option.defaultValue (BackendId.ofUrl url)
                Url = url
                Weight = weight
                Backup = backup
                AllAddresses = all
            }
          }
        | _ ->
            match Place.text place with
            | Ok text -> BackendSpec.parse (Place.where place) text
            | Error fault -> Error [ fault ]

    /// All backends of the list, at least one, and the faults of those that are wrong or stand twice.
    let private backends (place: Place) : Validation<BackendSpec list, Fault> =
        let list = Place.tryFind "backends" place |> Option.defaultValue place

        Place.items "backends" place
        |> Result.bind (fun items ->
            let read = items |> List.map backend

            let wrong =
                read
                |> List.collect (function
                    | Error faults -> faults
                    | Ok _ -> [])

            let specs = read |> List.choose Result.toOption

            match wrong @ BackendSpec.duplicates (Place.where list) specs with
            | [] when specs.IsEmpty ->
                Error [
                    Place.fault
                        list
                        "no backends are given"
                        "name at least one, as in --backends http://localhost:8081"
                ]
            | [] -> Ok specs
            | faults -> Error faults)

    let private hash (defaults: HashSettings) place : Validation<HashSettings, Fault> =
        let tables = [ "maglev", HashTable.Maglev; "ring", HashTable.Ring ]

        validation {
            let! on = place |> Place.value "hash_on" HashOn.parse defaults.On
            and! table = place |> Place.value "hash_table" (Scalars.oneOf tables) defaults.Table

            and! factor =
                place
                |> Place.value "hash_balance_factor" (Scalars.wholeOrNone 100 1000) defaults.BalanceFactor

            return {
                On = on
                Table = table
                BalanceFactor = factor
            }
        }

    let private backendTls (defaults: BackendTls) place : Validation<BackendTls, Fault> = validation {
        let! () = Place.onlyKnown Keys.backendTls place
        and! serverName = place |> Place.optional "server_name" HostName.create
        and! caFile = place |> Place.optional "ca_file" Scalars.string
        and! certFile = place |> Place.optional "cert_file" Scalars.string
        and! keyFile = place |> Place.optional "key_file" Scalars.string

        and! insecure =
            place
            |> Place.value "insecure_skip_verify" Scalars.boolean defaults.InsecureSkipVerify

        return {
            ServerName = serverName |> Option.map HostName.value
            CaFile = caFile
            CertFile = certFile
            KeyFile = keyFile
            InsecureSkipVerify = insecure
        }
    }

    let private upstream (defaults: Upstream) place : Validation<Upstream, Fault> = validation {
        let! protocol =
            place
            |> Place.value "protocol" (Scalars.oneOf BackendProtocol.names) defaults.Protocol

        and! tls = place |> Place.section "tls" (backendTls defaults.Tls) defaults.Tls

        and! sendProxy =
            place
            |> Place.value "send_proxy" (Scalars.oneOf Upstream.proxyVersions) defaults.SendProxy

        return {
            Protocol = protocol
            Tls = tls
            SendProxy = sendProxy
        }
    }

    /// The pool that stands at `place`.
    let read readSecret name (place: Place) : Validation<PoolConfig, Fault> =
        let defaults = PoolSettings.defaults

        validation {
            let! strategy = place |> Place.either [ "strategy"; "algorithm" ] Strategy.parse
            and! hash = hash defaults.Hash place
            and! slowStart = place |> Place.value "slow_start" Duration.parse defaults.SlowStart

            and! sticky =
                place
                |> Place.section "sticky_session" (ReadSticky.read readSecret) defaults.Sticky

            and! admission = ReadAdmission.read defaults.Admission place
            and! backends = backends place

            and! check =
                place
                |> Place.section "health_check" (healthCheck defaults.Check) defaults.Check

            and! timeouts =
                place |> Place.section "timeouts" (timeouts defaults.Timeouts) defaults.Timeouts

            and! retry = place |> Place.section "retry" (retry defaults.Retry) defaults.Retry

            and! breaker =
                place |> Place.section "circuit_breaker" circuitBreaker defaults.Breaker

            and! limit = limit place
            and! upstream = upstream defaults.Upstream place

            let! () =
                let at = Place.tryFind "protocol" place |> Option.defaultValue place

                match Upstream.conflicts (Place.where at) upstream backends with
                | [] -> Ok()
                | faults -> Error faults

            return {
                Name = name
                Settings = {
                    Strategy = strategy |> Option.defaultValue defaults.Strategy
                    Hash = hash
                    Admission = admission
                    SlowStart = slowStart
                    Sticky = sticky
                    Check = check
                    Retry = retry
                    Timeouts = timeouts
                    Breaker = breaker
                    Upstream = upstream
                    Limit = limit
                }
                Backends = backends
            }
        }
