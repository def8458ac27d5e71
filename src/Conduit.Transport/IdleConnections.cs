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

    /// <summary>Takes out all that the condition holds for.</summary>
    internal List<BackendConnection> Remove(Predicate<BackendConnection> condition)
    {
        var removed = new List<BackendConnection>();

        foreach (var shelf in shelves)
        {
            lock (shelf.Gate)
            {
                for (var index = shelf.Connections.Count - 1; index >= 0; index--)
                {
                    if (condition(shelf.Connections[index]))
                    {
                        removed.Add(shelf.Connections[index]);
                        shelf.Connections.RemoveAt(index);
                        Interlocked.Decrement(ref count);
                    }
                }
            }
        }

        return removed;
    }
}
