namespace Conduit.Server

open System.Net
open System.Net.Sockets
open System.Runtime.InteropServices

/// IMPURE: calls into libc. A listening socket that several processes have open at once: the connections that
/// wait in it belong to all of them.
[<RequireQualifiedAccess>]
module SharedSocket =

    module private Native =
        [<DllImport("libc", SetLastError = true)>]
        extern int dup3(int from, int into, int flags)

        [<DllImport("libc", SetLastError = true)>]
        extern int fcntl(int descriptor, int command, int argument)

    let private closeOnExec = 0x80000
    let private setDescriptorFlags = 2
    let private descriptorCloseOnExec = 1

    /// Lets go of a socket without any effect on the others who have it. Closing it as .NET does is not
    /// enough: that sets an option which connections inherit that somebody else accepts later, and which
    /// breaks off what they send last. So something else takes its descriptor's place first.
    let detach (socket: Socket) =
        use other =
            new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)

        other.Bind(IPEndPoint(IPAddress.Loopback, 0))
        other.Listen 1

        if Native.dup3 (int other.Handle, int socket.Handle, closeOnExec) < 0 then
            raise (SocketException(Marshal.GetLastPInvokeError()))

    /// The socket of a descriptor that came from another process. Programs that this one starts do not get it.
    let ofDescriptor (descriptor: int) =
        Native.fcntl (descriptor, setDescriptorFlags, descriptorCloseOnExec) |> ignore
        new Socket(new SafeSocketHandle(nativeint descriptor, true))
