using System;
using System.Net.Sockets;

namespace Conduit.Transport;

/// <summary>What went wrong between the client of this library and a backend.</summary>
public enum BackendFaultKind
{
    /// <summary>No connection came about: refused, unreachable, or the name has no address.</summary>
    NotConnected,

    /// <summary>No connection came about in the time given.</summary>
    ConnectTimeout,

    /// <summary>This process, or its system, has no descriptor, memory or port left for a connection, which says
    /// nothing of the backend.</summary>
    Shortage,

    /// <summary>The connection ended before the first byte of a response.</summary>
    Closed,

    /// <summary>The connection ended, or was reset, within a response's head.</summary>
    Reset,

    /// <summary>The connection ended within a response's body.</summary>
    Truncated,

    /// <summary>What came is not HTTP/1.1, or could be understood in two ways.</summary>
    Garbled,

    /// <summary>The backend took no more of the request.</summary>
    Refused,
}

/// <summary>A failed exchange with a backend. The connection is of no further use.</summary>
public sealed class BackendFaultException(BackendFaultKind kind, string message, Exception? inner = null)
    : Exception(message, inner)
{
    public BackendFaultKind Kind { get; } = kind;

    /// <summary>Why no connection came about.</summary>
    public static BackendFaultException NotConnected(SocketException error) => error.SocketErrorCode switch
    {
        SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain =>
            new BackendFaultException(BackendFaultKind.NotConnected, "the host's name has no address", error),
        SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable =>
            new BackendFaultException(BackendFaultKind.Shortage, "too many connections are open here", error),
        SocketError.AddressNotAvailable =>
            new BackendFaultException(BackendFaultKind.Shortage, "no port is left to connect from", error),
        _ => new BackendFaultException(BackendFaultKind.NotConnected, "connection refused or unreachable", error),
    };
}
