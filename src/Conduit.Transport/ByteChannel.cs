using System;
using System.Threading.Tasks;

namespace Conduit.Transport;

/// <summary>
/// The bytes of a connection, both ways. One reads and one writes at a time, and both may go on at once. A
/// connection that breaks throws a <see cref="System.Net.Sockets.SocketException"/>, an
/// <see cref="System.IO.IOException"/> or, once it is aborted, an <see cref="ObjectDisposedException"/>.
/// </summary>
public abstract class ByteChannel
{
    /// <summary>Reads what there is, at least a byte; 0 at the end.</summary>
    public abstract ValueTask<int> ReceiveAsync(Memory<byte> buffer);

    /// <summary>Sends at least a byte of the data, which is not empty; gives how many.</summary>
    public abstract ValueTask<int> SendAsync(ReadOnlyMemory<byte> data);

    /// <summary>From now on nothing should come before the next exchange.</summary>
    public virtual void Rest()
    {
    }

    /// <summary>Whether there is something to read, or the end, on a connection that should be quiet.</summary>
    public abstract bool IsStale();

    /// <summary>Ends what waits. May be called from any thread, also after <see cref="Close"/>.</summary>
    public abstract void Abort();

    /// <summary>Closes the connection, when nothing reads or writes any more.</summary>
    public abstract void Close();
}
