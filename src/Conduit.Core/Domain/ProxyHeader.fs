namespace Conduit

open System
open System.Buffers.Binary
open System.Net
open System.Text

/// What the bytes at the beginning of a connection are of a PROXY protocol header, version 1 or 2.
[<RequireQualifiedAccess>]
type ProxyHeader =
    /// Not whole yet.
    | Incomplete
    | Malformed of why: string
    /// Whole, and so many bytes long. No client where the proxy speaks for itself.
    | Complete of length: int * client: IPEndPoint option

/// A version of the PROXY protocol.
[<RequireQualifiedAccess>]
type ProxyVersion =
    | V1
    | V2

/// The header that a proxy puts before the bytes of a client (HAProxy's `proxy-protocol.txt`).
[<RequireQualifiedAccess>]
module ProxyHeader =

    /// Of version 1, with its line break.
    let private longestLine = 107

    /// What an operator's proxy may say beside the addresses in version 2, in bytes; more is an attack.
    let private longestRest = 4096

    let private signature = "\r\n\r\n\000\r\nQUIT\n"B

    let private begins (bytes: ReadOnlySpan<byte>) (prefix: byte[]) =
        let length = min bytes.Length prefix.Length
        bytes.Slice(0, length).SequenceEqual(ReadOnlySpan(prefix, 0, length))

    /// The header for a client at `source` who came in at `target`. Where one of them speaks IPv6, both do.
    let write version (source: IPEndPoint) (target: IPEndPoint) : byte[] =
        let plain (address: IPAddress) =
            if address.IsIPv4MappedToIPv6 then
                address.MapToIPv4()
            else
                address

        let isIPv4 (address: IPAddress) = address.GetAddressBytes().Length = 4
        let client, server = plain source.Address, plain target.Address
        let areIPv4 = isIPv4 client && isIPv4 server
        let client = if areIPv4 then client else client.MapToIPv6()
        let server = if areIPv4 then server else server.MapToIPv6()

        match version with
        | ProxyVersion.V1 ->
            let family = if areIPv4 then "TCP4" else "TCP6"
            Encoding.ASCII.GetBytes $"PROXY {family} {client} {server} {source.Port} {target.Port}\r\n"
        | ProxyVersion.V2 ->
            let port (number: int) = [| byte (number >>> 8); byte number |]

            let addresses =
                Array.concat [
                    client.GetAddressBytes()
                    server.GetAddressBytes()
                    port source.Port
                    port target.Port
                ]

            Array.concat [
                signature
                [| 0x21uy; (if areIPv4 then 0x11uy else 0x21uy) |]
                port addresses.Length
                addresses
            ]

    let private portOf (text: string) =
        match UInt16.TryParse text with
        | true, port when string port = text -> Some(int port)
        | _ -> None

    let private addressOf isIPv6 (text: string) =
        let isFamily (address: IPAddress) =
            (text.Contains ':') = isIPv6
            && (isIPv6 || address.ToString() = text)
            && not (text.Contains '%' || text.Contains '[')

        match IPAddress.TryParse text with
        | true, NonNull address when isFamily address -> Some address
        | _ -> None

    let private ofLine length (line: string) =
        match line.Split ' ' with
        | [| "PROXY"; ("TCP4" | "TCP6") as family; source; target; sourcePort; targetPort |] ->
            let isIPv6 = (family = "TCP6")

            match addressOf isIPv6 source, addressOf isIPv6 target, portOf sourcePort, portOf targetPort with
            | Some source, Some _, Some port, Some _ ->
                ProxyHeader.Complete(length, Some(IPEndPoint(source, port)))
            | _ -> ProxyHeader.Malformed "an address or a port is wrong"
        | parts when parts.Length >= 2 && parts[0] = "PROXY" && parts[1] = "UNKNOWN" ->
            ProxyHeader.Complete(length, None)
        | _ -> ProxyHeader.Malformed "the line is none of version 1"

    let private readLine (bytes: ReadOnlySpan<byte>) =
        match bytes.IndexOf "\r\n"B with
        | -1 when bytes.Length >= longestLine -> ProxyHeader.Malformed "the line does not end"
        | -1 -> ProxyHeader.Incomplete
        | at when at + 2 > longestLine -> ProxyHeader.Malformed "the line is too long"
        | at -> ofLine (at + 2) (Encoding.Latin1.GetString(bytes.Slice(0, at)))

    let private endPoint size (addresses: ReadOnlySpan<byte>) : Result<IPEndPoint option, string> =
        if addresses.Length < 2 * size + 4 then
            Error "the addresses are cut short"
        else
            let port = BinaryPrimitives.ReadUInt16BigEndian(addresses.Slice(2 * size))
            Ok(Some(IPEndPoint(IPAddress(addresses.Slice(0, size)), int port)))

    let private client (family: byte) (addresses: ReadOnlySpan<byte>) =
        match family with
        | 0x11uy -> endPoint 4 addresses
        | 0x21uy -> endPoint 16 addresses
        | 0x00uy
        | 0x31uy -> Ok None
        | _ -> Error "the family is none that carries HTTP"

    let private readBinary (bytes: ReadOnlySpan<byte>) =
        if bytes.Length < 16 then
            ProxyHeader.Incomplete
        else
            let length = int (BinaryPrimitives.ReadUInt16BigEndian(bytes.Slice 14))

            if bytes[12] <> 0x20uy && bytes[12] <> 0x21uy then
                ProxyHeader.Malformed "the version or the command is unknown"
            elif length > longestRest then
                ProxyHeader.Malformed "the header is too long"
            elif bytes.Length < 16 + length then
                ProxyHeader.Incomplete
            elif bytes[12] = 0x20uy then
                ProxyHeader.Complete(16 + length, None)
            else
                match client bytes[13] (bytes.Slice(16, length)) with
                | Ok client -> ProxyHeader.Complete(16 + length, client)
                | Error why -> ProxyHeader.Malformed why

    /// Reads the beginning of a connection.
    let read (bytes: ReadOnlySpan<byte>) : ProxyHeader =
        if bytes.Length = 0 then
            ProxyHeader.Incomplete
        elif begins bytes signature then
            if bytes.Length < signature.Length then
                ProxyHeader.Incomplete
            else
                readBinary bytes
        elif begins bytes "PROXY "B then
            readLine bytes
        else
            ProxyHeader.Malformed "there is no header"
