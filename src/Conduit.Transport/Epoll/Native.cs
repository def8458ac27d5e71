using System;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Conduit.Transport.Epoll;

/// <summary>The calls of Linux that the loops make. None of them waits but <see cref="epoll_wait"/>.</summary>
internal static unsafe class Native
{
    internal const uint In = 0x1;
    internal const uint Out = 0x4;
    internal const uint Error = 0x8;
    internal const uint HangUp = 0x10;
    internal const uint PeerClosed = 0x2000;
    internal const uint Exclusive = 1u << 28;
    internal const uint EdgeTriggered = 1u << 31;

    internal const int Add = 1;
    internal const int Delete = 2;

    internal const int CloseOnExec = 0x80000;
    internal const int NonBlocking = 0x800;

    internal const int StreamSocket = 1;
    internal const int NoSignal = 0x4000;
    internal const int Peek = 0x2;
    internal const int DontWait = 0x40;
    internal const int ShutdownWrite = 1;

    internal const int SocketLevel = 1;
    internal const int ErrorOption = 4;
    internal const int LingerOption = 13;
    internal const int TcpLevel = 6;
    internal const int NoDelayOption = 1;
    internal const int InfoOption = 11;

    private const int FilesResource = 7;

    internal const int Interrupted = 4;
    internal const int Again = 11;
    internal const int NoMemory = 12;
    internal const int TooManyOpenInSystem = 23;
    internal const int TooManyOpen = 24;
    internal const int NoBuffers = 105;
    internal const int InProgress = 115;

    /// <summary>The size of a struct epoll_event, which is packed on x86-64 alone, and where its data is.</summary>
    internal static readonly int EventSize = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;

    internal static readonly int EventData = EventSize - 8;

    [DllImport("libc", SetLastError = true)]
    internal static extern int epoll_create1(int flags);

    [DllImport("libc", SetLastError = true)]
    internal static extern int epoll_ctl(int epoll, int operation, int descriptor, byte* wanted);

    [DllImport("libc", SetLastError = true)]
    internal static extern int epoll_wait(int epoll, byte* events, int most, int milliseconds);

    [DllImport("libc", SetLastError = true)]
    internal static extern int eventfd(uint value, int flags);

    [DllImport("libc", SetLastError = true)]
    internal static extern nint read(int descriptor, void* buffer, nint size);

    [DllImport("libc", SetLastError = true)]
    internal static extern nint write(int descriptor, void* buffer, nint size);

    [DllImport("libc", SetLastError = true)]
    internal static extern nint recv(int descriptor, byte* buffer, nint size, int flags);

    [DllImport("libc", SetLastError = true)]
    internal static extern nint send(int descriptor, byte* buffer, nint size, int flags);

    [DllImport("libc", SetLastError = true)]
    internal static extern int accept4(int descriptor, byte* address, int* size, int flags);

    [DllImport("libc", SetLastError = true)]
    internal static extern int socket(int family, int type, int protocol);

    [DllImport("libc", SetLastError = true)]
    internal static extern int connect(int descriptor, byte* address, int size);

    [DllImport("libc", SetLastError = true)]
    internal static extern int getsockname(int descriptor, byte* address, int* size);

    [DllImport("libc", SetLastError = true)]
    internal static extern int setsockopt(int descriptor, int level, int option, void* value, int size);

    [DllImport("libc", SetLastError = true)]
    internal static extern int getsockopt(int descriptor, int level, int option, void* value, int* size);

    [DllImport("libc", SetLastError = true)]
    internal static extern int shutdown(int descriptor, int how);

    [DllImport("libc", SetLastError = true)]
    internal static extern int close(int descriptor);

    [DllImport("libc", SetLastError = true)]
    private static extern int getrlimit(int resource, ulong* limits);

    /// <summary>Asks the loop's epoll for events of a descriptor, which come with the token.</summary>
    internal static int Control(int epoll, int operation, int descriptor, uint events, ulong token)
    {
        var wanted = stackalloc byte[16];
        *(uint*)wanted = events;
        *(ulong*)(wanted + EventData) = token;
        return epoll_ctl(epoll, operation, descriptor, wanted);
    }

    /// <summary>Sends small writes at once (TCP_NODELAY).</summary>
    internal static void SetNoDelay(int descriptor)
    {
        var yes = 1;
        setsockopt(descriptor, TcpLevel, NoDelayOption, &yes, sizeof(int));
    }

    /// <summary>How many descriptors the process may have (RLIMIT_NOFILE).</summary>
    internal static int FileLimit()
    {
        var limits = stackalloc ulong[2];
        return getrlimit(FilesResource, limits) == 0 ? (int)Math.Min(limits[0], int.MaxValue) : int.MaxValue;
    }

    /// <summary>The descriptor that would be given next, the lowest that is free; the largest number when none
    /// is.</summary>
    internal static int NextDescriptor()
    {
        var next = eventfd(0, CloseOnExec);
        if (next < 0)
        {
            return int.MaxValue;
        }

        close(next);
        return next;
    }

    /// <summary>Whether a call failed because the process, or the system, has no more of what sockets take.</summary>
    internal static bool IsShortage(int error) => error is TooManyOpen or TooManyOpenInSystem or NoMemory or NoBuffers;

    /// <summary>What an errno means to users of sockets.</summary>
    internal static SocketException Failure(int error) => new((int)(error switch
    {
        32 => SocketError.ConnectionReset,
        99 => SocketError.AddressNotAvailable,
        101 => SocketError.NetworkUnreachable,
        103 => SocketError.ConnectionAborted,
        104 => SocketError.ConnectionReset,
        110 => SocketError.TimedOut,
        111 => SocketError.ConnectionRefused,
        113 => SocketError.HostUnreachable,
        TooManyOpen or TooManyOpenInSystem => SocketError.TooManyOpenSockets,
        NoMemory or NoBuffers => SocketError.NoBufferSpaceAvailable,
        _ => SocketError.SocketError,
    }));
}
