namespace Conduit.Server

open Argu
open Conduit
open Conduit.Server.Ctl
open Conduit.Server.Demo
open Conduit.Server.Sample

/// The flags of `conduit check`.
[<RequireQualifiedAccess>]
type CheckArgument =
    | [<Unique; EqualsAssignmentOrSpaced>] Config of FILE: string
    | [<Unique>] Print
    | [<Unique>] Explain of REQUEST: string
    | [<Unique>] Health of URL: string

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Config _ ->
                "the configuration to check; without it the one that conduit itself would find here."
            | Print -> "print the effective configuration, every default filled in, secrets masked."
            | Explain _ -> "say which route and pool a request takes, and why: 'GET https://host/path'."
            | Health _ ->
                "ask a running server instead: exit code 0 when URL answers with a status from 200 to 399, else 1."

/// The flags of the balancer. Values are texts here: they are read together with those of other
/// sources, so that all faults can be told at once.
type Arguments =
    | [<Unique; EqualsAssignmentOrSpaced>] Config of FILE: string
    | [<Unique; EqualsAssignmentOrSpaced>] Backends of LIST: string
    | [<Unique; EqualsAssignmentOrSpaced>] Port of PORT: string
    | [<Unique; EqualsAssignmentOrSpaced>] Host of ADDRESS: string
    | [<Unique; EqualsAssignmentOrSpaced>] Strategy of NAME: string
    | [<Unique; EqualsAssignmentOrSpaced>] Health_Path of PATH: string
    | [<Unique; EqualsAssignmentOrSpaced>] Health_Interval of DURATION: string
    | [<Unique; EqualsAssignmentOrSpaced>] Health_Timeout of DURATION: string
    | [<Unique; EqualsAssignmentOrSpaced>] Health_Rise of COUNT: string
    | [<Unique; EqualsAssignmentOrSpaced>] Health_Fall of COUNT: string
    | [<Unique; EqualsAssignmentOrSpaced>] Retries of COUNT: string
    | [<Unique; EqualsAssignmentOrSpaced>] Connect_Timeout of DURATION: string
    | [<Unique; EqualsAssignmentOrSpaced>] Response_Timeout of DURATION: string
    | [<Unique; EqualsAssignmentOrSpaced>] Idle_Timeout of DURATION: string
    | [<Unique; EqualsAssignmentOrSpaced>] Drain_Timeout of DURATION: string
    | [<Unique; EqualsAssignmentOrSpaced>] Admin_Host of ADDRESS: string
    | [<Unique; EqualsAssignmentOrSpaced>] Admin_Port of PORT: string
    | [<Unique; EqualsAssignmentOrSpaced>] Stats_Path of PATH: string
    | [<Unique; EqualsAssignmentOrSpaced>] Metrics_Path of PATH: string
    | [<Unique>] Trust_Forwarded
    | [<Unique; EqualsAssignmentOrSpaced>] Transport of NAME: string
    | [<Unique; EqualsAssignmentOrSpaced>] Log_Format of FORMAT: string
    | [<Unique; EqualsAssignmentOrSpaced>] Log_Level of LEVEL: string
    | [<Unique; EqualsAssignmentOrSpaced>] Take_Over of PATH: string
    | [<Unique>] Version
    | [<SubCommand; CliPrefix(CliPrefix.None)>] Demo of ParseResults<DemoArgument>
    | [<SubCommand; CliPrefix(CliPrefix.None)>] Check of ParseResults<CheckArgument>
    | [<SubCommand; CliPrefix(CliPrefix.None)>] Ctl of ParseResults<CtlArgument>
    | [<SubCommand; CliPrefix(CliPrefix.None)>] Backend of ParseResults<BackendArgument>

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Config _ ->
                "the configuration, YAML or JSON. Without it and --backends: conduit.yaml, config.yaml or config.json here."
            | Backends _ ->
                "the backends, separated by commas: http://host:port[/base][;weight=3][;id=a]. Also BACKEND_SERVERS."
            | Port _ -> "the port to listen on (3030). Also PROXY_PORT."
            | Host _ -> "the address to listen on (0.0.0.0)."
            | Strategy _ ->
                "round-robin (the default), weighted-round-robin, least-connections, random or power-of-two-choices."
            | Health_Path _ ->
                "check health by GET of this path, status 200 to 399 (without it: by TCP connect)."
            | Health_Interval _ -> "time between two checks of a backend (5s)."
            | Health_Timeout _ -> "time a check may take (2s)."
            | Health_Rise _ -> "checks in a row that must pass to bring a backend back (2)."
            | Health_Fall _ -> "failures in a row that take a backend out (3)."
            | Retries _ -> "further tries of a request that failed before a response, where that is safe (3)."
            | Connect_Timeout _ -> "time a connection to a backend may take (2s)."
            | Response_Timeout _ -> "time a backend may take to the end of its response's headers (30s)."
            | Idle_Timeout _ -> "time without progress on a body (60s); never a limit on a whole transfer."
            | Drain_Timeout _ -> "time that requests in flight get to finish on SIGTERM (10s)."
            | Admin_Host _ -> "the address of the admin port (127.0.0.1)."
            | Admin_Port _ ->
                "the port for health, statistics and administration (8090), 0 for none. Also DASHBOARD_PORT."
            | Stats_Path _ -> "answer with the statistics on this path of the traffic port too (off)."
            | Metrics_Path _ ->
                "answer with metrics for Prometheus on this path of the traffic port too (off)."
            | Trust_Forwarded ->
                "believe and extend X-Forwarded-* that clients send (they are replaced otherwise)."
            | Transport _ ->
                "auto, epoll (Linux), sockets or httpclient: what carries connections (auto: the best there is)."
            | Log_Format _ -> "text or json (text). Also LOG_ENV=prod for json."
            | Log_Level _ -> "debug, info, warning or error (info)."
            | Take_Over _ ->
                "take over from the process that offers its sockets at this path, and offer them there in turn (off)."
            | Version -> "print the version and exit."
            | Demo _ -> "three backends and a balancer in one process, a small load, and a live table."
            | Check _ -> "say whether a configuration is right, without starting anything."
            | Ctl _ -> "see and steer a balancer that runs."
            | Backend _ -> "a sample backend to try things with."

[<RequireQualifiedAccess>]
module Arguments =

    /// Long flags with one dash, as Go programs take them, become long flags with two.
    let normalize (argv: string[]) =
        argv
        |> Array.map (fun argument ->
            if
                argument.Length > 2
                && argument[0] = '-'
                && System.Char.IsAsciiLetter argument[1]
            then
                "-" + argument
            else
                argument)

    /// What the flags say, as pieces of a configuration.
    let overlay (parsed: ParseResults<Arguments>) =
        parsed.GetAllResults()
        |> List.choose (fun argument ->
            match argument with
            | Backends text -> Some(Overlay.list [ "backends" ] "--backends" text)
            | Port text -> Some(Overlay.value [ "listen"; "port" ] "--port" text)
            | Host text -> Some(Overlay.value [ "listen"; "host" ] "--host" text)
            | Strategy text -> Some(Overlay.value [ "strategy" ] "--strategy" text)
            | Health_Path text -> Some(Overlay.value [ "health_check"; "path" ] "--health-path" text)
            | Health_Interval text ->
                Some(Overlay.value [ "health_check"; "interval" ] "--health-interval" text)
            | Health_Timeout text ->
                Some(Overlay.value [ "health_check"; "timeout" ] "--health-timeout" text)
            | Health_Rise text -> Some(Overlay.value [ "health_check"; "rise" ] "--health-rise" text)
            | Health_Fall text -> Some(Overlay.value [ "health_check"; "fall" ] "--health-fall" text)
            | Retries text -> Some(Overlay.value [ "retry"; "max_retries" ] "--retries" text)
            | Connect_Timeout text -> Some(Overlay.value [ "timeouts"; "connect" ] "--connect-timeout" text)
            | Response_Timeout text ->
                Some(Overlay.value [ "timeouts"; "response" ] "--response-timeout" text)
            | Idle_Timeout text -> Some(Overlay.value [ "timeouts"; "idle" ] "--idle-timeout" text)
            | Drain_Timeout text -> Some(Overlay.value [ "drain_timeout" ] "--drain-timeout" text)
            | Admin_Host text -> Some(Overlay.value [ "admin"; "host" ] "--admin-host" text)
            | Admin_Port text -> Some(Overlay.value [ "admin"; "port" ] "--admin-port" text)
            | Stats_Path text -> Some(Overlay.value [ "stats_path" ] "--stats-path" text)
            | Metrics_Path text ->
                Some(
                    Overlay.section [ "metrics"; "prometheus" ] "--metrics-path" [
                        "enabled", "true"
                        "path", text
                    ]
                )
            | Trust_Forwarded -> Some(Overlay.value [ "trust_forwarded" ] "--trust-forwarded" "true")
            | Transport text -> Some(Overlay.value [ "transport" ] "--transport" text)
            | Log_Format text -> Some(Overlay.value [ "log"; "format" ] "--log-format" text)
            | Log_Level text -> Some(Overlay.value [ "log"; "level" ] "--log-level" text)
            | Config _
            | Take_Over _
            | Version
            | Demo _
            | Check _
            | Ctl _
            | Backend _ -> None)

    /// A fault for each flag that stands before a subcommand: it is the balancer's, and would do nothing.
    let misplaced (parsed: ParseResults<Arguments>) : Fault list =
        let case (argument: Arguments) =
            parsed.Parser.GetArgumentCaseInfo argument

        match
            parsed.TryGetSubCommand()
            |> Option.map (fun command -> (case command).Name.Value)
        with
        | None -> []
        | Some command ->
            parsed.GetAllResults()
            |> List.map case
            |> List.filter (fun found -> found.ArgumentType <> ArgumentType.SubCommand)
            |> List.map (fun found ->
                Fault.create
                    (List.head found.CommandLineNames.Value)
                    $"is no flag of conduit {command}"
                    $"conduit {command} --help shows what it takes, after its name")
