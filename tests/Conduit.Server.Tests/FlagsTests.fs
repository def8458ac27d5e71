module Conduit.Server.Tests.FlagsTests

open System
open System.Net
open Argu
open Xunit
open Conduit
open Conduit.Server

/// What the program makes of these arguments and this environment.
let private read (argv: string list) (environment: (string * string) list) =
    let parser = ArgumentParser.Create<Arguments>(programName = "conduit")

    let variable name =
        List.tryFind (fst >> (=) name) environment |> Option.map snd

    let overlay =
        parser.ParseCommandLine(Arguments.normalize (List.toArray argv))
        |> Arguments.overlay

    ConfigSource.load {
        File = None
        Overlay = Overlay.ofEnvironment variable @ overlay
    }

let private two = [ "--backends"; "http://localhost:8081, http://localhost:8082;weight=3;id=b" ]

let private config argv environment =
    match read argv environment with
    | Ok loaded -> loaded.Config
    | Error faults -> failwith $"%A{faults}"

let private withTwo flags = config (two @ flags) []

let private faults argv =
    match read argv [] with
    | Ok loaded -> failwith $"no fault in %A{loaded}"
    | Error faults -> List.map Fault.render faults

let private pool (config: Config) = List.exactlyOne config.Pools

[<Fact>]
let ``What is not said has a default`` () =
    let config = withTwo []
    Assert.Equal(IPEndPoint(IPAddress.Any, 3030), config.Listen)

    Assert.Equal(
        Some(IPEndPoint(IPAddress.Loopback, 8090), false),
        config.Admin |> Option.map (fun a -> a.EndPoint, a.Asked)
    )

    Assert.Equal(PoolSettings.defaults, (pool config).Settings)
    Assert.Equal(TimeSpan.FromSeconds 10.0, config.DrainTimeout)
    Assert.Equal(None, config.StatsPath)
    Assert.False config.TrustForwarded
    Assert.Equal((LogFormat.Text, LogLevel.Info), (config.LogFormat, config.LogLevel))

    Assert.Equal<(string * string * int) list>(
        [
            "localhost:8081", "http://localhost:8081", 1
            "b", "http://localhost:8082", 3
        ],
        [
            for spec in (pool config).Backends ->
                BackendId.value spec.Id, string spec.Url, Weight.value spec.Weight
        ]
    )

[<Fact>]
let ``The defaults are those that the help text promises`` () =
    let defaults = PoolSettings.defaults
    Assert.Equal(Strategy.RoundRobin, defaults.Strategy)
    Assert.Equal(Probe.Tcp, defaults.Check.Probe)
    Assert.Equal(TimeSpan.FromSeconds 5.0, defaults.Check.Interval)
    Assert.Equal(TimeSpan.FromSeconds 2.0, defaults.Check.Timeout)
    Assert.Equal({ Rise = 2; Fall = 3 }, defaults.Check.Thresholds)
    Assert.Equal(3, defaults.Retry.Most)
    Assert.Equal(TimeSpan.FromSeconds 2.0, defaults.Timeouts.Connect)
    Assert.Equal(TimeSpan.FromSeconds 30.0, defaults.Timeouts.Response)
    Assert.Equal(TimeSpan.FromSeconds 60.0, defaults.Timeouts.Idle)

[<Fact>]
let ``Every flag has its place`` () =
    let config =
        withTwo [
            "--host=127.0.0.1"
            "--port=8000"
            "--strategy=Least-Connections"
            "--health-path=/healthz?x"
            "--health-interval=500ms"
            "--health-timeout=1m"
            "--health-rise=4"
            "--health-fall=5"
            "--retries=0"
            "--connect-timeout=1h"
            "--response-timeout=7s"
            "--idle-timeout=8s"
            "--drain-timeout=0"
            "--admin-host=127.0.0.2"
            "--admin-port=9000"
            "--stats-path=/stats"
            "--metrics-path=/numbers"
            "--trust-forwarded"
            "--transport=httpclient"
            "--log-format=json"
            "--log-level=warning"
        ]

    Assert.Equal(IPEndPoint(IPAddress.Loopback, 8000), config.Listen)

    Assert.Equal(
        Some(IPEndPoint(IPAddress.Parse "127.0.0.2", 9000), true),
        config.Admin |> Option.map (fun admin -> admin.EndPoint, admin.Asked)
    )

    Assert.Equal(
        {
            PoolSettings.defaults with
                Strategy = Strategy.LeastConnections
                Check = {
                    Probe = Probe.Http "/healthz?x"
                    Interval = TimeSpan.FromSeconds 0.5
                    Timeout = TimeSpan.FromMinutes 1.0
                    Thresholds = { Rise = 4; Fall = 5 }
                }
                Retry.Most = 0
                Timeouts = {
                    Connect = TimeSpan.FromHours 1.0
                    Response = TimeSpan.FromSeconds 7.0
                    Idle = TimeSpan.FromSeconds 8.0
                    Request = None
                }
        },
        (pool config).Settings
    )

    Assert.Equal(TimeSpan.Zero, config.DrainTimeout)
    Assert.Equal(Some "/stats", config.StatsPath)
    Assert.Equal(Some "/numbers", config.Metrics.Path)
    Assert.True config.TrustForwarded
    Assert.Equal(Transport.Library, config.Transport)
    Assert.Equal((LogFormat.Json, LogLevel.Warning), (config.LogFormat, config.LogLevel))

[<Theory>]
[<InlineData("--port", "3031")>]
[<InlineData("-port", "3031")>]
[<InlineData("--port=3031", null)>]
[<InlineData("-port=3031", null)>]
let ``A flag may have one dash or two, and its value a space or an equals sign``
    (first: string, second: string | null)
    =
    let flags = first :: List.ofSeq (Option.ofObj second |> Option.toList)
    Assert.Equal(3031, (withTwo flags).Listen.Port)

[<Fact>]
let ``An admin port of 0 is none`` () =
    Assert.Equal(None, (withTwo [ "--admin-port=0" ]).Admin)

[<Fact>]
let ``The environment says what the flags leave open`` () =
    let environment = [
        "PROXY_PORT", "4000"
        "BACKEND_SERVERS", "http://h:1,http://h:2"
        "DASHBOARD_PORT", "4001"
        "LOG_ENV", "prod"
    ]

    let shown (config: Config) =
        config.Listen.Port,
        (pool config).Backends.Length,
        config.Admin |> Option.map _.EndPoint.Port,
        config.LogFormat

    Assert.Equal((4000, 2, Some 4001, LogFormat.Json), shown (config [] environment))

    let flags = [
        "--port=5000"
        "--backends=http://h:3"
        "--admin-port=0"
        "--log-format=text"
    ]

    Assert.Equal((5000, 1, None, LogFormat.Text), shown (config flags environment))

[<Fact>]
let ``A variable that is empty says nothing`` () =
    let config =
        config two [ "PROXY_PORT", ""; "BACKEND_SERVERS", ""; "DASHBOARD_PORT", ""; "LOG_ENV", "" ]

    Assert.Equal(withTwo [], config)

[<Theory>]
[<InlineData("--port=0", "is not a whole number from 1 to 65535")>]
[<InlineData("--port=65536", "is not a whole number from 1 to 65535")>]
[<InlineData("--host=8081", "is not an address")>]
[<InlineData("--host=10.0.1", "is not an address")>]
[<InlineData("--host=010.0.0.1", "is not an address")>]
[<InlineData("--strategy=least-conn", "did you mean least-connections?")>]
[<InlineData("--health-path=health", "is not a path")>]
[<InlineData("--health-interval=5", "is not a duration")>]
[<InlineData("--health-interval=1ms", "is too short")>]
[<InlineData("--health-timeout=-1s", "is not a duration")>]
[<InlineData("--health-rise=0", "is not a whole number from 1 to 1000")>]
[<InlineData("--health-fall=x", "is not a whole number from 1 to 1000")>]
[<InlineData("--retries=-1", "is not a whole number from 0 to 100")>]
[<InlineData("--connect-timeout=0", "is too short")>]
[<InlineData("--response-timeout=soon", "is not a duration")>]
[<InlineData("--idle-timeout=1y", "is not a duration")>]
[<InlineData("--drain-timeout=9999h", "is too long")>]
[<InlineData("--admin-port=65536", "is not a whole number from 0 to 65535")>]
[<InlineData("--stats-path=stats", "is not a path")>]
[<InlineData("--transport=socket", "did you mean sockets?")>]
[<InlineData("--log-format=xml", "is not known")>]
[<InlineData("--log-level=inf", "did you mean info?")>]
let ``A bad value is one fault, which names the flag`` (flag: string, what: string) =
    let fault = Assert.Single(faults (two @ [ flag ]))
    Assert.StartsWith(flag.Split('=')[0] + ": ", fault)
    Assert.Contains(what, fault)

[<Theory>]
[<InlineData("http://a;weight=257", "out of range")>]
[<InlineData("ftp://a", "neither http nor https")>]
[<InlineData("localhost:8081", "is not a URL")>]
[<InlineData("http://a,http://A:80/", "stands 2 times")>]
[<InlineData("http://a;id=x,http://b;id=x", "stands 2 times")>]
[<InlineData(" , ", "no backends are given")>]
let ``A bad list of backends is one fault`` (list: string, what: string) =
    let fault = Assert.Single(faults [ "--backends"; list ])
    Assert.StartsWith("--backends: ", fault)
    Assert.Contains(what, fault)

[<Fact>]
let ``No backends at all is a fault that names the flag`` () =
    Assert.StartsWith("--backends: no backends are given", Assert.Single(faults []))

[<Fact>]
let ``All faults are told at once`` () =
    let found =
        faults [
            "--backends=ftp://x,http://a;weight=257,http://b;wieght=3"
            "--port=99999"
            "--strategy=best"
            "--health-interval=5x"
            "--retries=-1"
            "--admin-host=nowhere"
        ]

    Assert.Equal(8, found.Length)

[<Fact>]
let ``An admin port that others can reach needs a token`` () =
    Assert.Contains("without a token", Assert.Single(faults (two @ [ "--admin-host=0.0.0.0" ])))

[<Theory>]
[<InlineData "--prot=1">]
[<InlineData "stray">]
[<InlineData "--port">]
let ``What is not known, or lacks its value, is refused`` (argument: string) =
    Assert.ThrowsAny<ArguException>(fun () -> read [ argument ] [] |> ignore)
    |> ignore

[<Fact>]
let ``A flag that is given twice is refused`` () =
    Assert.ThrowsAny<ArguException>(fun () -> read [ "--port"; "1"; "--port"; "2" ] [] |> ignore)
    |> ignore

let private parsed (argv: string list) =
    ArgumentParser.Create<Arguments>(programName = "conduit").ParseCommandLine(List.toArray argv)

[<Theory>]
[<InlineData("--port=4000 demo", "--port: is no flag of conduit demo")>]
[<InlineData("--config=c.yaml check --print", "--config: is no flag of conduit check")>]
[<InlineData("--trust-forwarded backend", "--trust-forwarded: is no flag of conduit backend")>]
[<InlineData("--host=127.0.0.1 ctl status", "--host: is no flag of conduit ctl")>]
let ``A flag before a subcommand, which would do nothing, is refused`` (line: string, what: string) =
    let fault =
        Assert.Single(Arguments.misplaced (parsed (List.ofArray (line.Split ' '))))

    Assert.StartsWith(what, Fault.render fault)

[<Theory>]
[<InlineData "demo --port=4000 --no-load">]
[<InlineData "check --config=c.yaml --print">]
[<InlineData "--backends=http://h --port=4000">]
let ``Flags in their place are not refused`` (line: string) =
    Assert.Empty(Arguments.misplaced (parsed (List.ofArray (line.Split ' '))))
