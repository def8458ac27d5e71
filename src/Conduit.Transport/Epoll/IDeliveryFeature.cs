using System;

namespace Conduit.Transport.Epoll;

/// <summary>What is known of the delivery of what a connection has sent.</summary>
public interface IDeliveryFeature
{
    /// <summary>How many bytes the peer's system has acknowledged; -1 where that cannot be told.</summary>
    long Acknowledged { get; }
}

/// <summary>The <c>struct tcp_info</c> of Linux, as its headers have it since version 4.2.</summary>
public static class TcpInfo
{
    public const int Level = Native.TcpLevel;
    public const int Option = Native.InfoOption;
    public const int Size = 256;

    private const int AcknowledgedAt = 120;

    /// <summary>Bytes that the peer has acknowledged; -1 where the system does not tell.</summary>
    public static long Acknowledged(ReadOnlySpan<byte> info) =>
        info.Length < AcknowledgedAt + sizeof(long)
            ? -1
            : BitConverter.ToInt64(info[AcknowledgedAt..]);
}
