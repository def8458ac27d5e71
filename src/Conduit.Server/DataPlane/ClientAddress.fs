namespace Conduit.Server

open System
open System.Net
open Microsoft.AspNetCore.Http
open Conduit

/// Whose request it is: the address of the connection, unless that is a proxy which is trusted to tell it.
[<RequireQualifiedAccess>]
module ClientAddress =

    /// An address as it stands in `X-Forwarded-For`, perhaps with a port.
    let private parse (text: ReadOnlySpan<char>) : UInt128 voption =
        let trimmed = text.Trim()

        match IPAddress.TryParse trimmed with
        | true, NonNull address -> ValueSome(Address.number address)
        | _ ->
            match IPEndPoint.TryParse trimmed with
            | true, NonNull endPoint -> ValueSome(Address.number endPoint.Address)
            | _ -> ValueNone

    /// The last address of the list that is no trusted proxy's. What stands before it may have been made up,
    /// and so may a list with something else in it.
    let private told (proxies: AddressSet) (peer: UInt128) (list: string) =
        let mutable client = peer
        let mutable rest = list.AsSpan()
        let mutable going = not rest.IsEmpty

        while going do
            let comma = rest.LastIndexOf ','

            match parse (rest.Slice(comma + 1)) with
            | ValueNone -> going <- false
            | ValueSome address ->
                client <- address
                going <- comma >= 0 && AddressSet.contains address proxies

            if going then
                rest <- rest.Slice(0, comma)

        client

    /// The number of the connection's other end; 0 where there is no address.
    let peer (http: HttpContext) =
        match http.Connection.RemoteIpAddress with
        | null -> UInt128.Zero
        | address -> Address.number address

    /// Whether the connection's other end is a proxy that is trusted to tell whose request it is.
    let isToldBy (proxies: AddressSet) (http: HttpContext) =
        not (AddressSet.isEmpty proxies) && AddressSet.contains (peer http) proxies

    /// The number of the client's address.
    let number (proxies: AddressSet) (http: HttpContext) : UInt128 =
        if isToldBy proxies http then
            told proxies (peer http) (string http.Request.Headers["X-Forwarded-For"])
        else
            peer http
