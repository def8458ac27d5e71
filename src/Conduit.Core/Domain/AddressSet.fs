namespace Conduit

open System
open System.Buffers.Binary
open System.Net
open System.Runtime.InteropServices

/// IP addresses as numbers of 128 bits; IPv4 ones are those that stand for them in IPv6 (::ffff:0:0/96), so
/// that a client is the same however it comes.
[<RequireQualifiedAccess>]
module Address =

    let private mapped = UInt128(0UL, 0xFFFF_0000_0000UL)

    /// The last address of IPv4.
    let private lastMapped = mapped + UInt128.op_Implicit UInt32.MaxValue

    let private isMapped (number: UInt128) = (number >>> 32).Equals(mapped >>> 32)

    /// A range of IPv6 without IPv4: `::/0` is all of IPv6 and nothing else.
    let withoutIPv4 (struct (first: UInt128, last: UInt128) as range) : struct (UInt128 * UInt128) list =
        if first < mapped && last > lastMapped then
            [
                struct (first, mapped - UInt128.One)
                struct (lastMapped + UInt128.One, last)
            ]
        else
            [ range ]

    /// The number of an address; allocates nothing.
    let number (address: IPAddress) : UInt128 =
        let mutable number = UInt128.Zero
        let bytes = MemoryMarshal.AsBytes(MemoryMarshal.CreateSpan(&number, 1))
        let mutable written = 0

        if not (address.TryWriteBytes(bytes, &written)) then
            UInt128.Zero
        elif written = 4 then
            mapped
            + UInt128.op_Implicit (BinaryPrimitives.ReadUInt32BigEndian(Span.op_Implicit bytes))
        else
            BinaryPrimitives.ReadUInt128BigEndian(Span.op_Implicit bytes)

    /// The address of a number.
    let ofNumber (number: UInt128) : IPAddress =
        let bytes = Array.zeroCreate<byte> 16
        BinaryPrimitives.WriteUInt128BigEndian(bytes.AsSpan(), number)
        let address = IPAddress bytes
        if isMapped number then address.MapToIPv4() else address

    /// The number of whoever an address belongs to: all of IPv4, the first 64 bits of IPv6, since one
    /// customer has at least a /64.
    let owner (number: UInt128) =
        if isMapped number then number else (number >>> 64) <<< 64

/// A set of IP addresses, made of networks.
type AddressSet = private {
    /// First and last of each range; no two touch, and the lowest is first.
    firsts: UInt128[]
    lasts: UInt128[]
    texts: string list
} with

    /// The networks as they were written.
    member this.Texts = this.texts

[<RequireQualifiedAccess>]
module AddressSet =

    let empty = {
        firsts = [||]
        lasts = [||]
        texts = []
    }

    let isEmpty set = set.firsts.Length = 0

    let private merge (ranges: struct (UInt128 * UInt128) list) =
        (([]: struct (UInt128 * UInt128) list), List.sort ranges)
        ||> List.fold (fun merged (struct (first, last) as range) ->
            match merged with
            | struct (start, stop) :: rest when first <= stop || first - stop = UInt128.One ->
                struct (start, max stop last) :: rest
            | _ -> range :: merged)
        |> List.rev

    /// A network as its first and last address: `10.0.0.0/8`, `2001:db8::/32`, or an address alone.
    let private range where (text: string) : Result<struct (UInt128 * UInt128) list, Fault> =
        let remedy = "write an address, or a network such as 10.0.0.0/8 or 2001:db8::/32"
        let trimmed = text.Trim()

        let fault what =
            Error(Fault.create where $"{Fault.quote text} {what}" remedy)

        // What .NET reads as addresses besides, as 10.1 for 10.0.0.1, nobody means.
        let isWhole (address: IPAddress) (written: string) =
            written.Contains ':' || address.ToString() = written

        match trimmed.Split '/' with
        | [| written |]
        | [| written; _ |] ->
            match IPAddress.TryParse written with
            | true, NonNull address when isWhole address written && not (written.Contains '%') ->
                let bits = if written.Contains ':' then 128 else 32

                let length =
                    match trimmed.Split '/' with
                    | [| _; length |] ->
                        match Int32.TryParse length with
                        | true, length when length >= 0 && length <= bits -> Some length
                        | _ -> None
                    | _ -> Some bits

                match length with
                | None -> fault $"has a length that is not 0 to {bits}"
                | Some length ->
                    let first = Address.number address

                    let rest =
                        if length = bits then
                            UInt128.Zero
                        else
                            UInt128.MaxValue >>> (128 - bits + length)

                    if (first &&& rest) <> UInt128.Zero then
                        fault $"has bits beyond the first {length}"
                    else
                        Ok(Address.withoutIPv4 (struct (first, first ||| rest)))
            | _ -> fault "is not a network"
        | _ -> fault "is not a network"

    /// The set of one network.
    let parse where text : Result<AddressSet, Fault> =
        range where text
        |> Result.map (fun ranges -> {
            firsts = [| for struct (first, _) in ranges -> first |]
            lasts = [| for struct (_, last) in ranges -> last |]
            texts = [ text.Trim() ]
        })

    /// The set of all that these have.
    let union (sets: AddressSet list) : AddressSet =
        let ranges =
            sets
            |> List.collect (fun set -> List.zip (List.ofArray set.firsts) (List.ofArray set.lasts))
            |> List.map (fun (first, last) -> struct (first, last))
            |> merge

        {
            firsts = [| for struct (first, _) in ranges -> first |]
            lasts = [| for struct (_, last) in ranges -> last |]
            texts = sets |> List.collect _.texts
        }

    /// Whether the address of this number is in the set, by a binary search; allocates nothing.
    let contains (number: UInt128) set =
        let mutable low = 0
        let mutable high = set.firsts.Length - 1
        let mutable found = false

        while not found && low <= high do
            let middle = (low + high) / 2

            if number.CompareTo set.firsts[middle] < 0 then
                high <- middle - 1
            elif number.CompareTo set.lasts[middle] > 0 then
                low <- middle + 1
            else
                found <- true

        found
