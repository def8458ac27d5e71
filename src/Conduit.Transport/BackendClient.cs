using System;
using System.Collections.Concurrent;
using System.Threading;

namespace Conduit.Transport;

/// <summary>How long connections are kept.</summary>
/// <param name="IdleTime">An idle connection closes after it: shorter than the time after which common
/// servers close, so that they seldom close first.</param>
/// <param name="LifeTime">An older connection carries no further exchange: a name may get other addresses.</param>
/// <param name="MostIdle">For each backend; more are closed when they have nothing to do.</param>
public sealed record PoolLimits(TimeSpan IdleTime, TimeSpan LifeTime, int MostIdle)
{
    /// <summary>30 seconds, 5 minutes, 4,096 connections.</summary>
    public static PoolLimits Default { get; } = new(TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(5), 4096);
}

/// <summary>What connections to backends are made of.</summary>
public enum BackendSockets
{
    /// <summary>.NET's own sockets.</summary>
    Portable,

    /// <summary>Those of the event loops: a connection stays with the loop of whoever opened it.</summary>
    OfLoops,
}

/// <summary>An HTTP/1.1 client for cleartext backends: a pool of connections for each.</summary>
public sealed class BackendClient : IDisposable
{
    private readonly ConcurrentDictionary<(string Host, int Port), BackendPool> pools = new();
    private readonly PoolLimits limits;
    private readonly BackendSockets sockets;
    private readonly Timer sweeper;

    public BackendClient(PoolLimits limits, BackendSockets sockets)
        : this(limits, sockets, TimeSpan.FromSeconds(1))
    {
    }

    /// <summary>One that sweeps so often by itself.</summary>
    internal BackendClient(PoolLimits limits, BackendSockets sockets, TimeSpan sweepEvery)
    {
        this.limits = limits;
        this.sockets = sockets;
        sweeper = new Timer(_ => Sweep(), null, sweepEvery, sweepEvery);
    }

    /// <summary>The connections to a backend.</summary>
    public BackendPool Pool(string host, int port) =>
        pools.TryGetValue((host, port), out var pool)
            ? pool
            : pools.GetOrAdd((host, port), key => new BackendPool(key.Host, key.Port, limits, sockets));

    /// <summary>The backends that there are connections to, or were a moment ago.</summary>
    internal int Count => pools.Count;

    /// <summary>Closes what is idle. Exchanges that go on are not touched.</summary>
    public void Dispose()
    {
        sweeper.Dispose();
        foreach (var pool in pools.Values)
        {
            pool.Dispose();
        }
    }

    /// <summary>Closes what is idle for too long, and forgets backends without a connection: an address that has
    /// left is not asked for any more.</summary>
    internal void Sweep()
    {
        foreach (var pool in pools)
        {
            if (pool.Value.Sweep() && pools.TryRemove(pool))
            {
                // Whoever has just got it may still use it; what that opens closes when it is given back.
                pool.Value.Dispose();
            }
        }
    }
}
