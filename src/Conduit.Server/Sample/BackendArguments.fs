namespace Conduit.Server.Sample

open Argu

/// The flags of `conduit backend`. Every value is text here: all of them are validated together later,
/// so that one run shows every fault.
[<RequireQualifiedAccess>]
type BackendArgument =
    | [<Unique; EqualsAssignmentOrSpaced; AltCommandLine("-port")>] Port of port: string
    | [<Unique; EqualsAssignmentOrSpaced; AltCommandLine("-host")>] Host of address: string
    | [<Unique; EqualsAssignmentOrSpaced; AltCommandLine("-name")>] Name of name: string
    | [<Unique; EqualsAssignmentOrSpaced; AltCommandLine("-delay")>] Delay of duration: string

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Port _ -> "port to listen on, 0 for a free one (SERVER_PORT or PORT; default 8081)."
            | Host _ -> "address to listen on (default 0.0.0.0, every IPv4 address of this machine)."
            | Name _ -> "name that answers carry (SERVER_NAME or HOSTNAME; default this machine's name)."
            | Delay _ -> "wait before each answer, such as 200ms; health answers never wait (default 0)."

/// What was typed, flag by flag.
type BackendFlags = {
    Port: string option
    Host: string option
    Name: string option
    Delay: string option
}

[<RequireQualifiedAccess>]
module BackendFlags =

    let none = {
        Port = None
        Host = None
        Name = None
        Delay = None
    }

    let ofResults (results: ParseResults<BackendArgument>) = {
        Port = results.TryGetResult BackendArgument.Port
        Host = results.TryGetResult BackendArgument.Host
        Name = results.TryGetResult BackendArgument.Name
        Delay = results.TryGetResult BackendArgument.Delay
    }
