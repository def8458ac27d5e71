namespace Conduit.Server.Demo

open Argu
open Conduit.Server

/// The flags of `conduit demo`.
[<RequireQualifiedAccess>]
type DemoArgument =
    | [<Unique; EqualsAssignmentOrSpaced>] Port of PORT: string
    | [<Unique; EqualsAssignmentOrSpaced>] Admin_Port of PORT: string
    | [<Unique; EqualsAssignmentOrSpaced>] Strategy of NAME: string
    | [<Unique>] No_Load

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Port _ -> "the port to listen on (3030)."
            | Admin_Port _ -> "the port for health and statistics (8090), 0 for none."
            | Strategy _ -> "the strategy to show (least-connections)."
            | No_Load -> "send no requests: bring your own."

[<RequireQualifiedAccess>]
module DemoArguments =

    /// What the flags say, as pieces of a configuration.
    let overlay (parsed: ParseResults<DemoArgument>) =
        parsed.GetAllResults()
        |> List.choose (fun argument ->
            match argument with
            | DemoArgument.Port text -> Some(Overlay.value [ "listen"; "port" ] "--port" text)
            | DemoArgument.Admin_Port text -> Some(Overlay.value [ "admin"; "port" ] "--admin-port" text)
            | DemoArgument.Strategy text -> Some(Overlay.value [ "strategy" ] "--strategy" text)
            | DemoArgument.No_Load -> None)
