namespace Conduit

open System
open System.Net

/// Readers of single values.
[<RequireQualifiedAccess>]
module Scalars =

    let string: ReadText<string> = fun _ text -> Ok text

    let whole least most : ReadText<int> =
        fun where text ->
            match Int32.TryParse(text.Trim()) with
            | true, value when value >= least && value <= most -> Ok value
            | _ ->
                let range =
                    if most = Int32.MaxValue then
                        $"of {least} or more"
                    else
                        $"from {least} to {most}"

                Error(
                    Fault.create
                        where
                        $"{Fault.quote text} is not a whole number {range}"
                        $"use a whole number {range}"
                )

    /// A whole number, or 0 for none.
    let wholeOrNone least most : ReadText<int> =
        fun where text ->
            if text.Trim() = "0" then
                Ok 0
            else
                whole least most where text
                |> Result.mapError (fun fault -> {
                    fault with
                        Remedy = $"{fault.Remedy}, or 0 for none"
                })

    let private units = [ "", 0; "KB", 10; "MB", 20; "GB", 30 ]

    /// Bytes, as a whole number of them or of KB, MB or GB, each 1024 of the one before.
    let size: ReadText<int64> =
        fun where text ->
            let trimmed = text.Trim()
            let digits = trimmed |> Seq.takeWhile Char.IsAsciiDigit |> Seq.length
            let unit = trimmed.Substring(digits).ToUpperInvariant()

            match Int64.TryParse(trimmed.AsSpan(0, digits)), List.tryFind (fst >> (=) unit) units with
            | (true, value), Some(_, shift) when value <= (Int64.MaxValue >>> shift) -> Ok(value <<< shift)
            | _ ->
                Error(
                    Fault.create
                        where
                        $"{Fault.quote text} is not a size"
                        "write a whole number of bytes, or of KB, MB or GB, as in 10MB"
                )

    let boolean: ReadText<bool> =
        fun where text ->
            match text.Trim().ToLowerInvariant() with
            | "true"
            | "yes"
            | "on" -> Ok true
            | "false"
            | "no"
            | "off" -> Ok false
            | _ ->
                Error(Fault.create where $"{Fault.quote text} is neither true nor false" "use true or false")

    let number (least: float) (most: float) : ReadText<float> =
        fun where text ->
            match Double.TryParse(text, Globalization.CultureInfo.InvariantCulture) with
            | true, value when value >= least && value <= most -> Ok value
            | _ ->
                Error(
                    Fault.create
                        where
                        $"{Fault.quote text} is not a number from {least} to {most}"
                        $"use a number from {least} to {most}"
                )

    let oneOf (known: (string * 'a) list) : ReadText<'a> =
        fun where text ->
            match known |> List.tryFind (fun (name, _) -> name = text.Trim().ToLowerInvariant()) with
            | Some(_, value) -> Ok value
            | None ->
                let names = List.map fst known
                let choices = String.concat ", " names

                Error(
                    Fault.create
                        where
                        $"{Fault.quote text} is not known{Names.hint names text}"
                        $"use one of {choices}"
                )

    /// A path of the request target, as in `/health`.
    let path: ReadText<string> =
        fun where text ->
            if
                text.StartsWith '/'
                && not (Seq.exists (fun c -> Char.IsControl c || c = ' ') text)
            then
                Ok text
            else
                Error(
                    Fault.create
                        where
                        $"{Fault.quote text} is not a path"
                        "begin it with a slash, as in /health"
                )

    /// An address of this machine.
    let address: ReadText<IPAddress> =
        fun where text ->
            match text.Trim() with
            | "*"
            | "" -> Ok IPAddress.Any
            | "localhost" -> Ok IPAddress.Loopback
            | trimmed ->
                match IPAddress.TryParse(trimmed.Trim('[', ']')) with
                // A bare number would be read as an address too, and 1.2.3 as 1.2.0.3.
                | true, NonNull address when trimmed.Contains ':' || address.ToString() = trimmed ->
                    Ok address
                | _ ->
                    Error(
                        Fault.create
                            where
                            $"{Fault.quote text} is not an address"
                            "use an IPv4 or IPv6 address of this machine, localhost, or * for all"
                    )

    let port = whole 1 65535

    /// A name server: an address, and a port where it is not 53.
    let nameServer: ReadText<IPEndPoint> =
        fun where text ->
            let isAddress (address: IPAddress) =
                text.Contains ':' || text.StartsWith(address.ToString())

            match IPEndPoint.TryParse(text.Trim()) with
            // A bare number would be read as an address too.
            | true, NonNull server when isAddress server.Address ->
                Ok(
                    if server.Port = 0 then
                        IPEndPoint(server.Address, 53)
                    else
                        server
                )
            | _ ->
                Error(
                    Fault.create
                        where
                        $"{Fault.quote text} is not a name server"
                        "write its address, as in 10.0.0.2 or 127.0.0.1:5353"
                )

    /// A listening address as Go writes it: `:3332`, `3332` or `0.0.0.0:3332`.
    let listen: ReadText<IPAddress option * int> =
        fun where text ->
            match text.LastIndexOf ':' with
            | -1 -> port where text |> Result.map (fun port -> None, port)
            | at ->
                let host, number = text.Substring(0, at), text.Substring(at + 1)

                address where host
                |> Result.bind (fun address ->
                    port where number
                    |> Result.map (fun port -> (if host = "" then None else Some address), port))
