namespace Conduit.Server

open System

/// Follows the frames of a WebSocket (RFC 6455 section 5.2) in the bytes of one direction, without looking at what
/// is in them: where one ends, another may be put in.
[<Sealed>]
type WebSocketFrames() =

    let longestHead = 14
    let head = Array.zeroCreate<byte> longestHead
    let mutable filled = 0
    /// Bytes that the current head has, as far as is known.
    let mutable wanted = 2
    /// Bytes of the current frame's payload that are still to come.
    let mutable left = 0UL
    let mutable isClosed = false

    let lengthOfHead () =
        let masked = if head[1] >= 0x80uy then 4 else 0

        match head[1] &&& 0x7Fuy with
        | 126uy -> 4 + masked
        | 127uy -> 10 + masked
        | _ -> 2 + masked

    let lengthOfPayload () =
        match head[1] &&& 0x7Fuy with
        | 126uy -> uint64 head[2] <<< 8 ||| uint64 head[3]
        | 127uy ->
            let mutable length = 0UL

            for index in 2..9 do
                length <- length <<< 8 ||| uint64 head[index]

            length
        | short -> uint64 short

    let takeHead (one: byte) =
        head[filled] <- one
        filled <- filled + 1

        if filled = 2 then
            wanted <- lengthOfHead ()

        if filled = wanted then
            left <- lengthOfPayload ()
            isClosed <- isClosed || (head[0] &&& 0x0Fuy) = 8uy
            filled <- 0
            wanted <- 2

    /// Whether the bytes so far end with a frame.
    member _.IsBetween = filled = 0 && left = 0UL

    /// Whether a close frame has begun: nothing may follow it.
    member _.IsClosed = isClosed

    /// Takes bytes in: all of them, or only those up to the first end of a frame. Gives their number.
    member this.Take(bytes: ReadOnlySpan<byte>, toFirstEnd: bool) : int =
        let mutable at = 0

        while at < bytes.Length && not (toFirstEnd && this.IsBetween) do
            if left > 0UL then
                let part = min left (uint64 (bytes.Length - at))
                left <- left - part
                at <- at + int part
            else
                takeHead bytes[at]
                at <- at + 1

        at
