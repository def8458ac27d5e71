using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;

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
    private readonly Lock gate = new();
    private readonly List<BackendConnection> idle = [];
    private bool disposed;
    private int open;

    internal BackendPool(string host, int port, PoolLimits limits)
    {
        this.host = host.Trim('[', ']');
        this.port = port;
        this.limits = limits;
    }

    /// <summary>Connections that are open, idle ones among them.</summary>
    public int Open => Volatile.Read(ref open);

    /// <summary>
    /// An idle connection, if there is one. With <paramref name="isChecked"/> the system is asked whether
    /// the backend has closed it: needed where the request cannot be sent again.
    /// </summary>
    public bool TryRent(bool isChecked, [NotNullWhen(true)] out BackendConnection? connection)
    {
        while (TryPop(out connection))
        {
            var now = Environment.TickCount64;
            if (now - connection.IdleSince < limits.IdleTime.TotalMilliseconds
                && now - connection.OpenedAt < limits.LifeTime.TotalMilliseconds
                && !(isChecked && connection.IsStale()))
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
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(timeout);

        try
        {
            await socket.ConnectAsync(host, port, patience.Token);
            Interlocked.Increment(ref open);
            return new BackendConnection(socket, this, Environment.TickCount64);
        }
        catch (Exception error)
        {
            socket.Dispose();
            throw error switch
            {
                OperationCanceledException when !cancellation.IsCancellationRequested =>
                    new BackendFaultException(BackendFaultKind.ConnectTimeout, "no connection in time", error),
                SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain } =>
                    new BackendFaultException(BackendFaultKind.NotConnected, "the host's name has no address", error),
                SocketException =>
                    new BackendFaultException(BackendFaultKind.NotConnected, "connection refused or unreachable", error),
                _ => error,
            };
        }
    }

    internal void Return(BackendConnection connection)
    {
        connection.Rest(Environment.TickCount64);

        lock (gate)
        {
            if (!disposed && idle.Count < limits.MostIdle)
            {
                idle.Add(connection);
                return;
            }
        }

        connection.Close();
    }

    internal void Closed() => Interlocked.Decrement(ref open);

    /// <summary>Closes what is idle for too long or was closed by the backend; gives whether nothing is left.</summary>
    internal bool Sweep()
    {
        var now = Environment.TickCount64;
        List<BackendConnection>? closing = null;

        lock (gate)
        {
            for (var index = idle.Count - 1; index >= 0; index--)
            {
                var connection = idle[index];
                if (now - connection.IdleSince >= limits.IdleTime.TotalMilliseconds || connection.IsStale())
                {
                    idle.RemoveAt(index);
                    (closing ??= []).Add(connection);
                }
            }
        }

        closing?.ForEach(connection => connection.Close());
        return Open == 0;
    }

    internal void Dispose()
    {
        BackendConnection[] closing;

        lock (gate)
        {
            disposed = true;
            closing = [.. idle];
            idle.Clear();
        }

        foreach (var connection in closing)
        {
            connection.Close();
        }
    }

    private bool TryPop([NotNullWhen(true)] out BackendConnection? connection)
    {
        lock (gate)
        {
            connection = idle.Count == 0 ? null : idle[^1];
            if (connection is not null)
            {
                idle.RemoveAt(idle.Count - 1);
            }

            return connection is not null;
        }
    }
}
