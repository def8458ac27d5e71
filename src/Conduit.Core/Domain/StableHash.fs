namespace Conduit

open System
open System.Buffers.Binary
open System.Numerics
open System.Runtime.InteropServices
open System.Text

/// A hash that is the same in every process, version and machine: XXH64, as the xxHash specification
/// (version 0.1.1) describes it. Not for secrets: who knows the seed can make two texts meet.
[<RequireQualifiedAccess>]
module StableHash =

    let private prime1 = 0x9E3779B185EBCA87UL
    let private prime2 = 0xC2B2AE3D27D4EB4FUL
    let private prime3 = 0x165667B19E3779F9UL
    let private prime4 = 0x85EBCA77C2B2AE63UL
    let private prime5 = 0x27D4EB2F165667C5UL

    let private round accumulator lane =
        BitOperations.RotateLeft(accumulator + lane * prime2, 31) * prime1

    let private merge accumulator lane =
        (accumulator ^^^ round 0UL lane) * prime1 + prime4

    let private avalanche hash =
        let hash = (hash ^^^ (hash >>> 33)) * prime2
        let hash = (hash ^^^ (hash >>> 29)) * prime3
        hash ^^^ (hash >>> 32)

    /// The hash of these bytes.
    let ofBytes (seed: uint64) (bytes: ReadOnlySpan<byte>) : uint64 =
        let mutable at = 0
        let mutable hash = seed + prime5

        if bytes.Length >= 32 then
            let mutable a = seed + prime1 + prime2
            let mutable b = seed + prime2
            let mutable c = seed
            let mutable d = seed - prime1

            while at + 32 <= bytes.Length do
                a <- round a (BinaryPrimitives.ReadUInt64LittleEndian(bytes.Slice at))
                b <- round b (BinaryPrimitives.ReadUInt64LittleEndian(bytes.Slice(at + 8)))
                c <- round c (BinaryPrimitives.ReadUInt64LittleEndian(bytes.Slice(at + 16)))
                d <- round d (BinaryPrimitives.ReadUInt64LittleEndian(bytes.Slice(at + 24)))
                at <- at + 32

            let joined =
                BitOperations.RotateLeft(a, 1)
                + BitOperations.RotateLeft(b, 7)
                + BitOperations.RotateLeft(c, 12)
                + BitOperations.RotateLeft(d, 18)

            hash <- merge (merge (merge (merge joined a) b) c) d

        hash <- hash + uint64 bytes.Length

        while at + 8 <= bytes.Length do
            let lane = BinaryPrimitives.ReadUInt64LittleEndian(bytes.Slice at)
            hash <- BitOperations.RotateLeft(hash ^^^ round 0UL lane, 27) * prime1 + prime4
            at <- at + 8

        if at + 4 <= bytes.Length then
            let lane = uint64 (BinaryPrimitives.ReadUInt32LittleEndian(bytes.Slice at))
            hash <- BitOperations.RotateLeft(hash ^^^ (lane * prime1), 23) * prime2 + prime3
            at <- at + 4

        while at < bytes.Length do
            hash <- BitOperations.RotateLeft(hash ^^^ (uint64 bytes[at] * prime5), 11) * prime1
            at <- at + 1

        avalanche hash

    /// The hash of a name, by its UTF-8 bytes.
    let ofName (seed: uint64) (name: string) : uint64 =
        ofBytes seed (ReadOnlySpan(Encoding.UTF8.GetBytes name))

    /// The hash of a part of a request's text, by its characters of two bytes each; allocates nothing.
    let ofText (seed: uint64) (text: ReadOnlySpan<char>) : uint64 =
        ofBytes seed (MemoryMarshal.AsBytes text)

    /// The hash of a number of 128 bits; allocates nothing.
    let ofNumber (seed: uint64) (number: UInt128) : uint64 =
        let mutable number = number

        if not BitConverter.IsLittleEndian then
            number <- BinaryPrimitives.ReverseEndianness number

        ofBytes seed (Span.op_Implicit (MemoryMarshal.AsBytes(MemoryMarshal.CreateSpan(&number, 1))))
