namespace Conduit.Server

open System
open System.Net.Sockets
open System.Runtime.InteropServices

/// IMPURE: calls into libc. Hands open descriptors from one process to another over a Unix socket (unix(7),
/// SCM_RIGHTS), along with a short message.
[<RequireQualifiedAccess>]
module Descriptors =

    /// struct iovec.
    [<Struct; StructLayout(LayoutKind.Sequential)>]
    type private Piece = {
        mutable Base: nativeint
        mutable Length: unativeint
    }

    /// struct msghdr.
    [<Struct; StructLayout(LayoutKind.Sequential)>]
    type private Header = {
        mutable Name: nativeint
        mutable NameLength: uint32
        mutable Pieces: nativeint
        mutable PieceCount: unativeint
        mutable Control: nativeint
        mutable ControlLength: unativeint
        mutable Flags: int
    }

    module private Native =
        [<DllImport("libc", SetLastError = true)>]
        extern nativeint sendmsg(int socket, nativeint header, int flags)

        [<DllImport("libc", SetLastError = true)>]
        extern nativeint recvmsg(int socket, nativeint header, int flags)

    /// The most in one message.
    let most = 16

    let private socketLevel = 1
    let private rights = 1
    let private closeOnExec = 0x40000000
    let private noSignal = 0x4000
    /// The length, level and type in front of the descriptors: struct cmsghdr.
    let private before = 16

    /// Where msg_controllen is in struct msghdr, where pointers have 64 bits.
    let private controlLengthAt = 40

    /// Calls with a message header over `text` and `control`; gives the lengths of both after the call.
    let private call (text: byte[]) (control: byte[]) (work: nativeint -> nativeint) =
        let pinnedText = GCHandle.Alloc(text, GCHandleType.Pinned)
        let pinnedControl = GCHandle.Alloc(control, GCHandleType.Pinned)
        let piece = Marshal.AllocHGlobal(sizeof<Piece>)
        let header = Marshal.AllocHGlobal(sizeof<Header>)

        try
            Marshal.StructureToPtr(
                {
                    Base = pinnedText.AddrOfPinnedObject()
                    Length = unativeint text.Length
                },
                piece,
                false
            )

            Marshal.StructureToPtr(
                {
                    Name = 0n
                    NameLength = 0u
                    Pieces = piece
                    PieceCount = 1un
                    Control = pinnedControl.AddrOfPinnedObject()
                    ControlLength = unativeint control.Length
                    Flags = 0
                },
                header,
                false
            )

            let length = int (work header)

            if length < 0 then
                raise (SocketException(Marshal.GetLastPInvokeError()))

            length, int (Marshal.ReadInt64(header, controlLengthAt))
        finally
            Marshal.FreeHGlobal header
            Marshal.FreeHGlobal piece
            pinnedControl.Free()
            pinnedText.Free()

    /// Sends a text that is not empty, and the descriptors.
    let send (socket: Socket) (text: byte[]) (descriptors: int list) =
        let control = Array.zeroCreate<byte>(before + (4 * descriptors.Length + 7) / 8 * 8)

        BitConverter.TryWriteBytes(Span<byte>(control, 0, 8), uint64 (before + 4 * descriptors.Length))
        |> ignore

        BitConverter.TryWriteBytes(Span<byte>(control, 8, 4), socketLevel) |> ignore
        BitConverter.TryWriteBytes(Span<byte>(control, 12, 4), rights) |> ignore

        descriptors
        |> List.iteri (fun index descriptor ->
            BitConverter.TryWriteBytes(Span<byte>(control, before + 4 * index, 4), descriptor)
            |> ignore)

        call text control (fun header -> Native.sendmsg (int socket.Handle, header, noSignal))
        |> ignore

    /// Receives a text of so many bytes at most, and the descriptors that came with it.
    let receive (socket: Socket) (size: int) : byte[] * int list =
        let text = Array.zeroCreate<byte> size
        let control = Array.zeroCreate<byte>(before + 4 * most)

        let length, controlLength =
            call text control (fun header -> Native.recvmsg (int socket.Handle, header, closeOnExec))

        let count =
            if controlLength < before then
                0
            else
                (int (BitConverter.ToUInt64(control, 0)) - before) / 4

        Array.truncate length text,
        [
            for index in 0 .. count - 1 -> BitConverter.ToInt32(control, before + 4 * index)
        ]
