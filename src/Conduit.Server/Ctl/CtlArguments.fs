namespace Conduit.Server.Ctl

open Argu

/// The flags of a subcommand that has none.
[<RequireQualifiedAccess>]
type NoArgument =
    | [<Hidden>] Nothing

    interface IArgParserTemplate with
        member _.Usage = ""

/// A subcommand that names a backend.
[<RequireQualifiedAccess>]
type BackendArgument =
    | [<MainCommand; ExactlyOnce>] Id of ID: string

    interface IArgParserTemplate with
        member _.Usage = "the id of the backend."

[<RequireQualifiedAccess>]
type DrainArgument =
    | [<MainCommand; ExactlyOnce>] Id of ID: string
    | [<Unique>] Wait
    | [<Unique; EqualsAssignmentOrSpaced>] Timeout of DURATION: string

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Id _ -> "the id of the backend."
            | Wait -> "wait until no request is in flight on it."
            | Timeout _ -> "wait so long at most (60s), then exit with 3."

[<RequireQualifiedAccess>]
type WeightArgument =
    | [<MainCommand; ExactlyOnce>] Backend of ID: string * WEIGHT: string

    interface IArgParserTemplate with
        member _.Usage =
            "the id of the backend, and its weight: 0 to 256, 0 for no new traffic."

[<RequireQualifiedAccess>]
type AddArgument =
    | [<MainCommand; ExactlyOnce>] Url of URL: string
    | [<Unique; EqualsAssignmentOrSpaced>] Id of ID: string
    | [<Unique; EqualsAssignmentOrSpaced>] Weight of WEIGHT: string
    | [<Unique>] Backup

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Url _ -> "where the backend is: http://host:port[/base]."
            | Id _ -> "its id (host:port and the base path)."
            | Weight _ -> "its weight, 0 to 256 (1)."
            | Backup -> "it gets traffic only while no other is available."

/// The flags of `conduit ctl`. Values are texts here, and read later, so that messages are ours.
[<RequireQualifiedAccess>]
type CtlArgument =
    | [<Inherit; Unique; EqualsAssignmentOrSpaced>] Admin_Url of URL: string
    | [<Inherit; Unique; EqualsAssignmentOrSpaced>] Token of TOKEN: string
    | [<Inherit; Unique; EqualsAssignmentOrSpaced>] Pool of NAME: string
    | [<Inherit; Unique>] Json
    | [<CliPrefix(CliPrefix.None)>] Status of ParseResults<NoArgument>
    | [<CliPrefix(CliPrefix.None)>] Backends of ParseResults<NoArgument>
    | [<CliPrefix(CliPrefix.None)>] Drain of ParseResults<DrainArgument>
    | [<CliPrefix(CliPrefix.None)>] Ready of ParseResults<BackendArgument>
    | [<CliPrefix(CliPrefix.None)>] Not_Ready of ParseResults<BackendArgument>
    | [<CliPrefix(CliPrefix.None)>] Disable of ParseResults<BackendArgument>
    | [<CliPrefix(CliPrefix.None)>] Weight of ParseResults<WeightArgument>
    | [<CliPrefix(CliPrefix.None)>] Add of ParseResults<AddArgument>
    | [<CliPrefix(CliPrefix.None)>] Remove of ParseResults<BackendArgument>
    | [<CliPrefix(CliPrefix.None)>] Reload of ParseResults<NoArgument>
    | [<CliPrefix(CliPrefix.None)>] Diff of ParseResults<NoArgument>
    | [<CliPrefix(CliPrefix.None)>] Watch of ParseResults<NoArgument>

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Admin_Url _ -> "where the admin port is (http://127.0.0.1:8090). Also CONDUIT_ADMIN_URL."
            | Token _ -> "the admin token, or file:PATH. Better: CONDUIT_TOKEN, which no process list shows."
            | Pool _ -> "the pool that is meant (default)."
            | Json -> "print the API's JSON instead of a table."
            | Status _ -> "the pools, and the configuration in force."
            | Backends _ -> "the backends of the pool."
            | Drain _ -> "no new requests to a backend; those in flight finish."
            | Ready _ -> "put a backend into the traffic."
            | Not_Ready _ -> "take a backend out for maintenance; it is still checked."
            | Disable _ -> "take a backend out, and do not check it."
            | Weight _ -> "set a backend's weight."
            | Add _ -> "add a backend."
            | Remove _ -> "remove a backend; its requests in flight finish."
            | Reload _ -> "read the configuration file again."
            | Diff _ -> "where the running state differs from the file."
            | Watch _ -> "a live view of the pool, and what happens."
