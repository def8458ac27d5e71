namespace Conduit.Server

open System
open System.Buffers
open System.Buffers.Binary
open System.Buffers.Text
open System.Collections.Concurrent
open System.Runtime.InteropServices
open System.Security.Cryptography
open System.Text
open Conduit

/// What a cookie says: until when, and by a tag for which backend. The tag is a keyed hash of the backend's id,
/// so that nobody learns from it what backends there are.
[<Struct; NoEquality; NoComparison>]
type SessionTicket = {
    /// Seconds since 1970.
    Expiry: int64
    Tag: uint64
}

/// The 48 bytes of a cookie: expiry and tag, big-endian, and their HMAC-SHA256. They make 64 characters
/// without a bit to spare.
[<Struct; NoEquality; NoComparison; StructLayout(LayoutKind.Sequential)>]
type private CookieBytes = {
    mutable Words: struct (uint64 * uint64)
    mutable High: UInt128
    mutable Low: UInt128
}

/// IMPURE: the keys of a pool's cookies, made from the secret of its configuration, and the tags of its
/// backends, which are found out once.
[<Sealed>]
type SessionKeys(secret: byte[], pool: PoolName) =

    let derive (purpose: string) =
        HMACSHA256.HashData(secret, Encoding.UTF8.GetBytes $"conduit {purpose} {PoolName.value pool}")

    let signing = derive "session"
    let tagging = derive "backend"
    let tags = ConcurrentDictionary<BackendId, uint64>()
    let backends = ConcurrentDictionary<uint64, BackendId>()

    [<VolatileField>]
    let mutable seen: PoolView | null = null

    let tagOf (id: BackendId) =
        match tags.TryGetValue id with
        | true, tag -> tag
        | _ ->
            let hash = HMACSHA256.HashData(tagging, Encoding.UTF8.GetBytes(BackendId.value id))
            let tag = BinaryPrimitives.ReadUInt64BigEndian(ReadOnlySpan hash)
            tags[id] <- tag
            backends[tag] <- id
            tag

    /// A key of this process' own, for pools without one: sessions end with the process, and others do not
    /// know them.
    static member val Own = RandomNumberGenerator.GetBytes 32

    /// The tag of a backend.
    member _.TagOf id = tagOf id

    /// The target of a tag in a view; nothing when there is none. Allocates only when it meets backends for the
    /// first time.
    member _.Find(tag: uint64, view: PoolView) : Target voption =
        if not (obj.ReferenceEquals(seen, view)) && not (backends.ContainsKey tag) then
            for target in view.Targets do
                tagOf target.Backend.Spec.Id |> ignore

            seen <- view

        match backends.TryGetValue tag with
        | true, id ->
            match view.ById.TryGetValue id with
            | true, target -> ValueSome target
            | _ -> ValueNone
        | _ -> ValueNone

    /// Signs 16 bytes.
    member _.Sign(payload: ReadOnlySpan<byte>, destination: Span<byte>) =
        HMACSHA256.HashData(ReadOnlySpan signing, payload, destination) |> ignore

/// The value of a session's cookie.
[<RequireQualifiedAccess>]
module SessionCookie =

    /// Characters of a value.
    let length = 64

    let private payload = 16
    let private size = 48

    /// The value for a ticket.
    let write (keys: SessionKeys) (ticket: SessionTicket) : string =
        let bytes = Array.zeroCreate<byte> size
        BinaryPrimitives.WriteInt64BigEndian(Span(bytes, 0, 8), ticket.Expiry)
        BinaryPrimitives.WriteUInt64BigEndian(Span(bytes, 8, 8), ticket.Tag)
        keys.Sign(ReadOnlySpan(bytes, 0, payload), Span(bytes, payload, size - payload))
        Base64Url.EncodeToString(ReadOnlySpan bytes)

    /// The ticket of a value that was signed with these keys, expired or not; nothing for any other text.
    /// Allocates nothing.
    let read (keys: SessionKeys) (value: ReadOnlySpan<char>) : SessionTicket voption =
        let mutable buffer = Unchecked.defaultof<CookieBytes>
        let bytes = MemoryMarshal.AsBytes(MemoryMarshal.CreateSpan(&buffer, 1))
        let mutable consumed = 0
        let mutable written = 0

        if
            value.Length <> length
            || Base64Url.DecodeFromChars(value, bytes, &consumed, &written)
               <> OperationStatus.Done
            || consumed <> length
            || written <> size
        then
            ValueNone
        else
            let mutable mac = Unchecked.defaultof<CookieBytes>
            let right = MemoryMarshal.AsBytes(MemoryMarshal.CreateSpan(&mac, 1)).Slice(0, 32)
            keys.Sign(Span.op_Implicit (bytes.Slice(0, payload)), right)

            if
                CryptographicOperations.FixedTimeEquals(
                    Span.op_Implicit right,
                    Span.op_Implicit (bytes.Slice payload)
                )
            then
                ValueSome {
                    Expiry = BinaryPrimitives.ReadInt64BigEndian(Span.op_Implicit (bytes.Slice(0, 8)))
                    Tag = BinaryPrimitives.ReadUInt64BigEndian(Span.op_Implicit (bytes.Slice(8, 8)))
                }
            else
                ValueNone
