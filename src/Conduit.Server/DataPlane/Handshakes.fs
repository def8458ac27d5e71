namespace Conduit.Server

open System
open System.Net.Sockets
open System.Runtime.InteropServices

/// A port that is about to close must stop taking new connections while it still completes those that
/// are being opened. Sockets have no call for that; on Linux a packet filter on the listening socket
/// (SO_ATTACH_FILTER, socket(7)) drops what asks for a new one. Its sender asks again after a second, and
/// by then another listener has the port, or the connection is refused.
[<RequireQualifiedAccess>]
module Handshakes =

    /// What connections that are being opened get to complete: a round trip, with room.
    let time = TimeSpan.FromMilliseconds 100.0

    let private socketLevel = 1
    let private attachFilter = 26

    /// An instruction of classic BPF: code, jumps when true and when false, operand.
    let private instruction (code: uint16, whenTrue: byte, whenFalse: byte, operand: uint32) =
        Array.concat [
            BitConverter.GetBytes code
            [| whenTrue; whenFalse |]
            BitConverter.GetBytes operand
        ]

    /// Drops a TCP segment with SYN and without ACK; its flags are byte 13 of the header.
    let private program = [
        0x30us, 0uy, 0uy, 13u // load the flags
        0x45us, 0uy, 2uy, 0x02u // no SYN: keep
        0x45us, 1uy, 0uy, 0x10u // ACK as well: keep
        0x06us, 0uy, 0uy, 0u // drop
        0x06us, 0uy, 0uy, UInt32.MaxValue // keep
    ]

    /// Lets the socket take no new connection from now on, where the system can do that.
    let refuse (listening: Socket) =
        if OperatingSystem.IsLinux() then
            let code = program |> List.map instruction |> Array.concat
            let pinned = GCHandle.Alloc(code, GCHandleType.Pinned)

            try
                // struct sock_fprog: the number of instructions, padded to a pointer, and where they are.
                let filter =
                    Array.append
                        (BitConverter.GetBytes(uint64 program.Length))
                        (BitConverter.GetBytes(uint64 (pinned.AddrOfPinnedObject())))

                try
                    listening.SetRawSocketOption(socketLevel, attachFilter, filter.AsSpan())
                with :? SocketException ->
                    // Without it a connection that is opened in the last moment is reset, as elsewhere.
                    ()
            finally
                pinned.Free()
