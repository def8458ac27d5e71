using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Linq;
using System.Threading;
using Conduit.Transport.Epoll;

namespace Conduit.Transport;

/// <summary>
/// Connections that wait for their next exchange: a stack for each loop, so that a request finds one of its
/// own loop and stays on one thread, and one for all other threads. Who has none takes another's.
/// </summary>
internal sealed class IdleConnections(BackendSockets sockets)
{
    private sealed class Shelf
    {
        internal readonly Lock Gate = new();
        internal readonly List<BackendConnection> Connections = [];
    }

    private readonly Shelf[] shelves = [.. Enumerable
        .Range(0, sockets == BackendSockets.OfLoops ? EventLoops.All.Length : 1)
        .Select(_ => new Shelf())];

    private int count;

    internal int Count => Volatile.Read(ref count);

    internal void Push(BackendConnection connection)
    {
        Interlocked.Increment(ref count);
        var shelf = shelves[connection.Shelf];

        lock (shelf.Gate)
        {
            shelf.Connections.Add(connection);
        }
    }

    /// <summary>The one that was used last, of this thread's loop if there is one.</summary>
    internal bool TryPop([NotNullWhen(true)] out BackendConnection? connection)
    {
        var own = EventLoop.Current?.Index ?? 0;

        for (var offset = 0; offset < shelves.Length && Count > 0; offset++)
        {
            var shelf = shelves[(own + offset) % shelves.Length];

            lock (shelf.Gate)
            {
                if (shelf.Connections.Count > 0)
                {
                    connection = shelf.Connections[^1];
                    shelf.Connections.RemoveAt(shelf.Connections.Count - 1);
                    Interlocked.Decrement(ref count);
                    return true;
                }
            }
        }

        connection = null;
        return false;
    }

    /// <summary>Takes out all that the condition holds for. It may take its time, and holds nothing up.</summary>
    internal List<BackendConnection> Remove(Predicate<BackendConnection> condition)
    {
        var removed = new List<BackendConnection>();

        foreach (var shelf in shelves)
        {
            var unwanted = Copy(shelf).FindAll(one => condition(one.Connection));

            if (unwanted.Count > 0)
            {
                TakeOut(shelf, unwanted, removed);
            }
        }

        return removed;
    }

    private static List<(BackendConnection Connection, long RestsUntil)> Copy(Shelf shelf)
    {
        lock (shelf.Gate)
        {
            return shelf.Connections.ConvertAll(connection => (connection, connection.RestsUntil));
        }
    }

    /// <summary>Those that are still there: what was used meanwhile is judged anew another time.</summary>
    private void TakeOut(
        Shelf shelf, List<(BackendConnection Connection, long RestsUntil)> unwanted, List<BackendConnection> removed)
    {
        var rests = new Dictionary<BackendConnection, long>();
        unwanted.ForEach(one => rests.Add(one.Connection, one.RestsUntil));

        lock (shelf.Gate)
        {
            var before = removed.Count;
            shelf.Connections.RemoveAll(connection =>
            {
                var isUnwanted = rests.TryGetValue(connection, out var since) && since == connection.RestsUntil;
                if (isUnwanted)
                {
                    removed.Add(connection);
                }

                return isUnwanted;
            });
            Interlocked.Add(ref count, before - removed.Count);
        }
    }
}
