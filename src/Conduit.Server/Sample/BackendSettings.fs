namespace Conduit.Server.Sample

open System
open System.Globalization
open System.Net
open Conduit
open FsToolkit.ErrorHandling

/// How one sample backend runs.
type BackendSettings = {
    Host: IPAddress
    /// 0 takes a free port from the system.
    Port: int
    /// One word: scripts take the last word of an answer as the backend's name.
    Name: string
    /// Waited before each answer, but not before those of the health endpoints, so that a slow backend
    /// still counts as a healthy one.
    Delay: TimeSpan
}

[<RequireQualifiedAccess>]
module BackendSettings =

    let private defaultPort = 8081

    let private port where (text: string) =
        match Int32.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture) with
        | true, port when port <= 65535 -> Ok port
        | _ ->
            Error(Fault.create where $"{Fault.quote text} is not a port" "use a whole number from 0 to 65535")

    let private host where (text: string) =
        match text, IPAddress.TryParse text with
        | "localhost", _ -> Ok IPAddress.Loopback
        // A bare number is an address to TryParse (8081 is 0.0.31.145), but to nobody who types it.
        | _, (true, NonNull address) when text.IndexOfAny [| '.'; ':' |] >= 0 -> Ok address
        | _ ->
            Error(
                Fault.create
                    where
                    $"{Fault.quote text} is not an address"
                    "write an IP address such as 0.0.0.0, or localhost"
            )

    let private name where (text: string) =
        let isPartOfWord c =
            not (Char.IsWhiteSpace c || Char.IsControl c)

        if text.Length >= 1 && text.Length <= 255 && Seq.forall isPartOfWord text then
            Ok text
        else
            Error(
                Fault.create
                    where
                    $"{Fault.quote text} is not a name"
                    "use one word of at most 255 characters, without spaces"
            )

    /// The flag's value if there is one, else that of the first variable that is set and not empty,
    /// read by `parse`, which is told where the value stood; else `fallback`.
    let private choose getEnv flag typed variables parse fallback =
        let named variable =
            getEnv variable
            |> Option.filter ((<>) "")
            |> Option.map (fun value -> variable, value)

        typed
        |> Option.map (fun value -> flag, value)
        |> Option.orElseWith (fun () -> List.tryPick named variables)
        |> Option.map (fun (where, value) -> parse where value)
        |> Option.defaultValue (Ok fallback)

    /// Flags beat the environment, and that beats the defaults. Every fault is returned. The name falls
    /// back to `machineName`. The default host is 0.0.0.0, as servers in containers need it.
    let from
        (machineName: string)
        (getEnv: string -> string option)
        (flags: BackendFlags)
        : Validation<BackendSettings, Fault> =
        let choose flag typed = choose getEnv flag typed

        validation {
            let! port = choose "--port" flags.Port [ "SERVER_PORT"; "PORT" ] port defaultPort
            and! host = choose "--host" flags.Host [] host IPAddress.Any
            and! name = choose "--name" flags.Name [ "SERVER_NAME"; "HOSTNAME" ] name machineName
            and! delay = choose "--delay" flags.Delay [] Duration.parse TimeSpan.Zero

            return {
                Host = host
                Port = port
                Name = name
                Delay = delay
            }
        }
