using System;
using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Conduit.Transport.Epoll;

namespace Conduit.Transport;

/// <summary>
/// The connections to one backend. The one that was used last is used next, so that those that a quiet
/// time does not need grow old and close.
/// </summary>
public sealed class BackendPool
{
    private readonly string host;
    private readonly int port;
    private readonly PoolLimits limits;
    private readonly BackendSockets sockets;
    private readonly IdleConnections idle;
    private volatile bool disposed;
    private int open;

    internal BackendPool(string host, int port, PoolLimits limits, BackendSockets sockets)
    {
        this.host = host.Trim('[', ']');
        this.port = port;
        this.limits = limits;
        this.sockets = sockets;
        idle = new IdleConnections(sockets);
    }

    /// <summary>Connections that are open, idle ones among them.</summary>
    public int Open => Volatile.Read(ref open);

    /// <summary>
    /// An idle connection, if there is one. The system is asked whether something has come on it: a backend
    /// may have closed it, or said what nobody asked for, which must not be taken for the next answer.
    /// </summary>
    public bool TryRent([NotNullWhen(true)] out BackendConnection? connection)
    {
        while (idle.TryPop(out connection))
        {
            var now = Environment.TickCount64;
            if (now < connection.RestsUntil
                && now - connection.OpenedAt < limits.LifeTime.TotalMilliseconds
                && !connection.IsStale())
            {
                connection.Reuse();
                return true;
            }

            connection.Close();
        }

        return false;
    }

    /// <summary>A new connection.</summary>
    public async ValueTask<BackendConnection> ConnectAsync(TimeSpan timeout, CancellationToken cancellation)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(timeout);

        try
        {
            return Adopt(sockets == BackendSockets.OfLoops
                ? await LoopConnect.ConnectAsync(host, port, patience.Token)
                : await SocketChannel.ConnectAsync(host, port, patience.Token));
        }
        catch (OperationCanceledException error) when (!cancellation.IsCancellationRequested)
        {
            throw new BackendFaultException(BackendFaultKind.ConnectTimeout, "no connection in time", error);
        }
        catch (SocketException error)
        {
            throw BackendFaultException.NotConnected(error);
        }
    }

    /// <summary>A connection over a channel that has just been opened.</summary>
    internal BackendConnection Adopt(ByteChannel channel)
    {
        Interlocked.Increment(ref open);
        FileTable.CountBackend(1);
        return new BackendConnection(channel, this, Environment.TickCount64);
    }

    internal void Return(BackendConnection connection)
    {
        connection.Rest(Environment.TickCount64, limits.IdleTime);

        if (idle.Count >= limits.MostIdle)
        {
            connection.Close();
            return;
        }

        idle.Push(connection);

        if (disposed)
        {
            // The one that disposed of the pool may have looked before this one came.
            CloseAll();
        }
    }

    internal void Closed()
    {
        Interlocked.Decrement(ref open);
        FileTable.CountBackend(-1);
    }

    /// <summary>Closes what is idle for too long or was closed by the backend; gives whether nothing is left.</summary>
    internal bool Sweep()
    {
        var now = Environment.TickCount64;
        idle.Remove(connection =>
                now >= connection.RestsUntil || connection.IsStale())
            .ForEach(connection => connection.Close());
        return Open == 0;
    }

    internal void Dispose()
    {
        disposed = true;
        CloseAll();
    }

    private void CloseAll() => idle.Remove(_ => true).ForEach(connection => connection.Close());
}
