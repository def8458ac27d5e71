namespace Conduit.Tests

open System
open System.Net
open FsCheck
open FsCheck.FSharp
open Conduit

/// Valid configurations. Names, ids and URLs come mostly from a small world, so that two configurations
/// have something in common.
[<RequireQualifiedAccess>]
module ConfigGenerators =

    let private names =
        [ "default"; "web"; "api-v2"; "a.b_c" ] |> List.map Make.poolName

    let private ids =
        Gen.frequency [
            6, Gen.elements [ "a"; "b"; "c"; "d" ]
            1, Gen.elements [ "null"; "~"; "#1"; "x: y"; " "; "- a"; "é"; "${HOME}"; "'\""; "[1]"; "0x1" ]
        ]
        |> Gen.map Make.backendId

    let private urls =
        Gen.elements [
            "http://10.0.0.1"
            "http://10.0.0.2:8081"
            "https://b.example:8443/base"
            "http://[::1]:8081"
            "http://c.example/a%20b/c"
        ]
        |> Gen.map Make.url

    let private spec =
        Gen.map3
            (fun id url (weight, backup, wanted) -> {
                BackendSpec.Id = id
                Url = url
                Weight = Make.weight weight
                Backup = backup
                AllAddresses = wanted && url.Scheme = Scheme.Http && BackendUrl.isNamed url
            })
            ids
            urls
            (Gen.zip3 (Gen.choose (0, 256)) (Gen.elements [ false; true ]) (Gen.elements [ false; true ]))

    let private backends =
        Gen.choose (1, 5)
        |> Gen.bind (fun count -> Gen.listOfLength count spec)
        |> Gen.map (List.distinctBy _.Id >> List.distinctBy _.Url)

    /// From the shortest that is accepted to a day, in whole and broken units.
    let private duration (least: TimeSpan) =
        Gen.oneof [
            Gen.choose (0, 90) |> Gen.map (float >> TimeSpan.FromSeconds)
            Gen.choose (0, 24) |> Gen.map (float >> TimeSpan.FromHours)
            Gen.choose (0, 100_000_000) |> Gen.map (int64 >> TimeSpan.FromTicks)
        ]
        |> Gen.map (max least)

    let private path =
        Gen.elements [ "/"; "/health"; "/a/b?c=d#e"; "/%20"; "/${x}"; "/:#" ]

    let private check = gen {
        let! probe = Gen.oneof [ Gen.constant Probe.Tcp; Gen.map Probe.Http path ]
        let! interval = duration (TimeSpan.FromMilliseconds 50.0)
        let! timeout = duration (TimeSpan.FromMilliseconds 1.0)
        let! rise = Gen.choose (1, 1000)
        let! fall = Gen.choose (1, 1000)

        return {
            Probe = probe
            Interval = interval
            Timeout = timeout
            Thresholds = { Rise = rise; Fall = fall }
        }
    }

    let private statuses =
        Gen.map2
            (fun a b -> StatusSet.range (min a b) (max a b))
            (Gen.choose (100, 599))
            (Gen.choose (100, 599))
        |> Gen.listOf
        |> Gen.map StatusSet.union

    let private breaker = gen {
        let! reset = duration (TimeSpan.FromMilliseconds 1.0)
        let! more = duration TimeSpan.Zero
        let! threshold = Gen.choose (1, 1_000_000)
        let! limit = Gen.choose (1, 100)

        let! statuses = statuses

        return {
            FailureThreshold = threshold
            ResetTimeout = reset
            MaxResetTimeout = reset + more
            HalfOpenLimit = limit
            FailureStatuses = statuses
        }
    }

    let private retry = gen {
        let! most = Gen.choose (0, 100)
        let! initial = duration TimeSpan.Zero
        let! longest = duration TimeSpan.Zero
        let! multiplier = Gen.choose (10, 1000)
        let! randomization = Gen.choose (0, 100)
        let! tryTimeout = Gen.optionOf (duration (TimeSpan.FromMilliseconds 1.0))
        let! totalTimeout = Gen.optionOf (duration (TimeSpan.FromMilliseconds 1.0))
        let! statuses = statuses
        let! percentage = Gen.choose (0, 1000)
        let! perSecond = Gen.choose (0, 1_000_000)
        let! buffer = Gen.choose (0, 1024 * 1024)

        return {
            Most = most
            BackOff = {
                Initial = initial
                Longest = longest
                Multiplier = float multiplier / 10.0
                Randomization = float randomization / 100.0
            }
            TryTimeout = tryTimeout
            TotalTimeout = totalTimeout
            Statuses = statuses
            Budget = {
                Percentage = float percentage
                PerSecond = float perSecond / 10.0
            }
            Buffer = buffer
        }
    }

    let private limit = gen {
        let! most = Gen.choose (1, 1_000_000)
        let! length = Gen.choose (0, 1_000_000)
        let! timeout = duration (TimeSpan.FromMilliseconds 1.0)

        return {
            Most = most
            QueueLength = length
            QueueTimeout = timeout
        }
    }

    let private hash =
        Gen.map3
            (fun on table factor -> {
                On = on
                Table = table
                BalanceFactor = factor
            })
            (Gen.elements [
                HashOn.Path
                HashOn.Uri
                HashOn.Header "X-Tenant"
                HashOn.Cookie "session"
                HashOn.Query "a:b"
            ])
            (Gen.elements [ HashTable.Maglev; HashTable.Ring ])
            (Gen.elements [ 0; 100; 125; 1000 ])

    let private networks =
        Gen.subListOf [ "10.0.0.0/8"; "192.0.2.7"; "2001:db8::/32"; "::1" ]
        |> Gen.map (fun texts ->
            texts
            |> List.ofSeq
            |> List.choose (AddressSet.parse "test" >> Result.toOption)
            |> AddressSet.union)

    let private rateLimit = gen {
        let! tokens = Gen.choose (1, 1_000_000)
        let! period = Gen.elements [ 1.0; 60.0; 3600.0 ]
        let! burst = Gen.choose (1, 1_000_000)
        let! by = Gen.elements [ LimitBy.Client; LimitBy.Header "X-Api-Key"; LimitBy.Pool ]
        let! exempt = networks
        let! maxKeys = Gen.choose (1024, 16_777_216)

        return {
            Rate = {
                Tokens = tokens
                Period = TimeSpan.FromSeconds period
            }
            Burst = burst
            By = by
            Exempt = exempt
            MaxKeys = maxKeys
        }
    }

    let private admission = gen {
        let! allow = networks
        let! deny = networks
        let! limit = Gen.optionOf rateLimit
        let! inFlight = Gen.choose (0, 1_000_000)
        let! body = Gen.choose (0, System.Int32.MaxValue)

        return {
            Allow = allow
            Deny = deny
            RateLimit = limit
            MaxInFlight = inFlight
            MaxBody = int64 body * 3L
        }
    }

    let private upstream = gen {
        // Which backends there are decides what else can be.
        let! protocol = Gen.elements [ BackendProtocol.Http1; BackendProtocol.Auto ]
        let! name = Gen.elements [ None; Some "backend.example" ]
        let! caFile = Gen.elements [ None; Some "certs/ca.pem" ]
        let! certFile = Gen.elements [ None; Some "certs/a.pem" ]
        let! insecure = Gen.elements [ true; false ]

        return {
            Protocol = protocol
            Tls = {
                ServerName = name
                CaFile = caFile
                CertFile = certFile
                KeyFile = certFile |> Option.map (fun _ -> "certs/a.key")
                InsecureSkipVerify = insecure
            }
            SendProxy = None
        }
    }

    let private sticky = gen {
        let! isCookie = Gen.elements [ true; false ]

        let! timeout =
            duration (
                if isCookie then
                    TimeSpan.FromSeconds 1.0
                else
                    TimeSpan.FromMilliseconds 1.0
            )

        let! sessions = Gen.choose (1, 16_777_216)
        let! cleanup = Gen.optionOf (duration TimeSpan.Zero)

        return {
            By = if isCookie then StickyBy.Cookie "sid" else StickyBy.Client
            Timeout = timeout
            MaxSessions = sessions
            CleanupInterval = cleanup
            Key = None
        }
    }

    let private settings = gen {
        let! strategy = Gen.elements Strategy.all
        let! hash = hash
        let! admission = admission
        let! slowStart = duration TimeSpan.Zero
        let! sticky = Gen.optionOf sticky
        let! check = check
        let! retry = retry
        let! limit = Gen.optionOf limit
        let! request = Gen.optionOf (duration (TimeSpan.FromMilliseconds 1.0))
        let! timeouts = Gen.listOfLength 3 (duration (TimeSpan.FromMilliseconds 1.0))
        let! breaker = Gen.optionOf breaker
        let! upstream = upstream

        return {
            Strategy = strategy
            Hash = hash
            Admission = admission
            SlowStart = slowStart
            Sticky = sticky
            Check = check
            Retry = retry
            Limit = limit
            Timeouts = {
                Connect = timeouts[0]
                Response = timeouts[1]
                Idle = timeouts[2]
                Request = request
            }
            Breaker = breaker
            Upstream = upstream
        }
    }

    let private pools = gen {
        let! names = Gen.subListOf names |> Gen.map List.ofSeq

        return!
            (if names.IsEmpty then [ PoolName.defaultPool ] else names)
            |> List.map (fun name ->
                Gen.map2
                    (fun settings backends -> {
                        PoolConfig.Name = name
                        Settings = settings
                        Backends = backends
                    })
                    // Often the defaults, so that two configurations may agree.
                    (Gen.frequency [ 2, Gen.constant PoolSettings.defaults; 1, settings ])
                    backends)
            |> Gen.collectToList id
    }

    let private addresses =
        [ "0.0.0.0"; "127.0.0.1"; "10.1.2.3"; "::"; "::1"; "fe80::1%2" ]
        |> List.map IPAddress.Parse

    let private port = Gen.choose (1, 65535)

    /// A token's text, in a form that no other text of a configuration has.
    let token =
        Gen.choose (0, 99)
        |> Gen.map (fun number -> $"s3cr3t:#{number:D2}-\"${{T}}-secret")

    let private admin = gen {
        let! address = Gen.elements addresses
        let! port = port
        let! token = token
        let! hasToken = Gen.elements [ true; false ]
        let! hosts = Gen.subListOf [ "lb.example"; "null"; "conduit" ]
        let! readOnly = Gen.elements [ true; false ]

        return
            Some {
                EndPoint = IPEndPoint(address, port)
                Asked = true
                Token =
                    if hasToken || not (IPAddress.IsLoopback address) then
                        Some(ConfigDocuments.secret token)
                    else
                        None
                Hosts = List.ofSeq hosts
                ReadOnly = readOnly
            }
    }

    let private files = gen {
        let! number = Gen.choose (0, 9)
        let! hasKey = Gen.elements [ true; false ]
        let! hosts = Gen.subListOf [ $"a{number}.example"; $"*.b{number}.example" ]

        return {
            CertFile = $"certs/{number}.pem"
            KeyFile = if hasKey then Some $"certs/{number}.key" else None
            Password = None
            Hosts = List.ofSeq hosts |> List.choose (HostPattern.parse "test" >> Result.toOption)
        }
    }

    let private tls = gen {
        let! certificates = Gen.nonEmptyListOf files
        let! interval = duration (TimeSpan.FromMilliseconds 50.0)
        let! versions = Gen.subListOf (List.map snd TlsVersion.names)
        let! suites = Gen.subListOf CipherSuite.known

        let! clients =
            Gen.elements [
                ClientCertificates.NotAsked
                ClientCertificates.Optional "certs/a.pem"
                ClientCertificates.Required "certs/b.pem"
            ]

        let! redirect = Gen.optionOf port
        let! http3 = Gen.optionOf port
        let! hsts = Gen.optionOf (Gen.choose (1, 100_000_000))
        let versions = TlsVersion.Tls12 :: List.ofSeq versions

        return {
            // No host may stand at two certificates.
            Certificates = certificates |> List.distinctBy _.CertFile
            ReloadInterval = interval
            MinVersion = List.min versions
            MaxVersion = List.max versions
            CipherSuites = List.ofSeq suites
            ClientCertificates = clients
            RedirectPort = redirect
            // It is TLS 1.3 alone.
            Http3Port = if List.max versions = TlsVersion.Tls13 then http3 else None
            Hsts = hsts
        }
    }

    let private clients = gen {
        let! header = duration (TimeSpan.FromMilliseconds 1.0)
        let! keepAlive = duration (TimeSpan.FromMilliseconds 1.0)
        let! rate = Gen.elements [ 0L; 240L; 1_000_000L ]
        let! grace = duration (TimeSpan.FromMilliseconds 1.0)

        return {
            HeaderTimeout = header
            KeepAlive = keepAlive
            MinRate = rate
            Grace = grace
        }
    }

    let private resolver =
        Gen.map2
            (fun servers least -> {
                ResolverSettings.defaults with
                    Servers = List.ofSeq servers
                    MinInterval = least
            })
            (Gen.subListOf [ IPEndPoint(IPAddress.Loopback, 5353); IPEndPoint(IPAddress.IPv6Loopback, 53) ])
            (Gen.elements [ TimeSpan.FromSeconds 1.0; TimeSpan.FromSeconds 7.0 ])

    let private accessLog = gen {
        let! file =
            Gen.elements [ None; Some "/var/log/conduit/access.log"; Some "access log.json" ]

        let! format = Gen.elements [ LogFormat.Text; LogFormat.Json ]
        let! fields = AccessField.names |> List.map snd |> Gen.shuffle
        let! count = Gen.choose (1, fields.Length)
        let! sample = Gen.elements [ 0.0; 0.01; 0.5; 1.0 ]
        let! queue = Gen.choose (16, 1_000_000)

        return {
            LogFile = file
            Format = format
            Fields = fields |> List.ofArray |> List.truncate count
            Sample = sample
            Queue = queue
        }
    }

    let private telemetry = gen {
        let! endpoint = Gen.elements [ "http://localhost:4317"; "https://collector.example" ]
        let! protocol = Gen.elements [ OtlpProtocol.Grpc; OtlpProtocol.HttpProtobuf ]
        let! name = Gen.elements [ "conduit"; "edge proxy" ]
        let! traces = Gen.elements [ true; false ]
        let! sample = Gen.elements [ 0.0; 0.1; 1.0 ]
        let! metrics = Gen.elements [ true; false ]
        let! interval = duration (TimeSpan.FromMilliseconds 100.0)

        return {
            Endpoint = endpoint
            Protocol = protocol
            ServiceName = name
            Traces = traces
            Sample = sample
            Metrics = metrics
            Interval = interval
        }
    }

    let private requestId =
        Gen.elements [ None; Some "X-Request-Id"; Some "Correlation" ]
        |> Gen.map (Option.map (HeaderName.create "test" >> Routing.right))

    let private config = gen {
        let! address = Gen.elements addresses
        let! port = port
        let! admin = Gen.frequency [ 1, Gen.constant None; 3, admin ]
        let! resolver = resolver
        let! pools = pools
        let! drain = duration TimeSpan.Zero
        let! tls = Gen.optionOf tls
        let! proxyFrom = networks
        let! line, fields = Gen.two (Gen.choose (1024, 262_144))
        let! count = Gen.choose (1, 10_000)
        let! clients = clients
        let! stats = Gen.optionOf path
        let! metrics = Gen.optionOf path
        let! isCounting = Gen.elements [ true; false ]
        let! accessLog = Gen.optionOf accessLog
        let! telemetry = Gen.optionOf telemetry
        let! requestId = requestId
        let! trust = Gen.elements [ true; false ]
        let! proxies = networks

        let! transport =
            Gen.elements [ Transport.Auto; Transport.Epoll; Transport.Portable; Transport.Library ]

        let! format = Gen.elements [ LogFormat.Text; LogFormat.Json ]

        let! level =
            Gen.elements [ LogLevel.Debug; LogLevel.Info; LogLevel.Warning; LogLevel.Error ]

        return {
            Listen = IPEndPoint(address, port)
            Tls = tls
            ProxyFrom = proxyFrom
            Heads = {
                Line = line
                Fields = fields
                Count = count
            }
            Clients = clients
            Admin = admin
            Resolver = resolver
            Pools = pools
            Routes = []
            DrainTimeout = drain
            StatsPath = stats
            Metrics = { Enabled = isCounting; Path = metrics }
            AccessLog = accessLog
            Telemetry = telemetry
            RequestId = requestId
            TrustForwarded = trust
            TrustedProxies = if trust then AddressSet.empty else proxies
            Transport = transport
            LogFormat = format
            LogLevel = level
        }
    }

    /// Smaller ones have fewer pools and fewer backends.
    let private shrink (config: Config) = seq {
        if config.Pools.Length > 1 then
            for pool in config.Pools do
                {
                    config with
                        Pools = config.Pools |> List.filter (fun other -> other.Name <> pool.Name)
                }

        for pool in config.Pools do
            if pool.Backends.Length > 1 then
                for backend in pool.Backends do
                    let smaller = {
                        pool with
                            Backends = pool.Backends |> List.filter ((<>) backend)
                    }

                    {
                        config with
                            Pools =
                                config.Pools
                                |> List.map (fun each -> if each.Name = pool.Name then smaller else each)
                    }
    }

    let arbitrary: Arbitrary<Config> = Arb.fromGenShrink (config, shrink)

    /// What an operator may do at run time to any of the pools.
    let atRunTime: Arbitrary<Event list> =
        let event = gen {
            let! name = Gen.elements names
            let! id = ids
            let! spec = spec

            let! news =
                Gen.elements [
                    // Only files give names whose every address is a backend.
                    PoolEvent.Added { spec with AllAddresses = false }
                    PoolEvent.Removed id
                    PoolEvent.WeightSet(id, spec.Weight)
                    PoolEvent.BackupSet(id, spec.Backup)
                    PoolEvent.AdminSet(id, AdminState.Draining)
                    PoolEvent.AdminSet(id, AdminState.NotReady)
                    PoolEvent.Checked(id, None)
                    PoolEvent.Checked(id, Some "refused")
                ]

            return Event.InPool(name, news)
        }

        Arb.fromGen (Gen.listOf event)
