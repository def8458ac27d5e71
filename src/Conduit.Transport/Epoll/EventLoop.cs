using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Threading;

namespace Conduit.Transport.Epoll;

/// <summary>What a loop tells of events. Runs on the loop, so it may not block.</summary>
internal interface IEventSink
{
    /// <summary>Told of all events that have come together, before any of them is acted upon.</summary>
    void Announce(uint events)
    {
    }

    /// <param name="events">The bits of epoll(7).</param>
    void OnEvents(uint events);
}

/// <summary>
/// A thread that waits for sockets, and runs what has waited for them: all of a request that is not
/// waiting for something else. Nothing on it may block.
/// </summary>
internal sealed unsafe class EventLoop
{
    private const int MostEvents = 256;
    private const ulong WakeToken = ulong.MaxValue;

    /// <summary>A sink in its place; a later one in the same place has another token.</summary>
    private sealed record Registration(ulong Token, IEventSink Sink);

    [ThreadStatic]
    private static EventLoop? current;

    private readonly int epoll;
    private readonly int wake;
    private readonly Action<Exception> onError;
    private readonly ConcurrentQueue<IEventSink> posted = new();
    private readonly Lock gate = new();
    private readonly Stack<int> free = new();

    private Registration?[] registered = new Registration?[64];
    private int used;
    private uint registrations;
    private int isWoken;
    private long busySince;

    /// <summary>Whether all that was ready had room in the last look.</summary>
    private bool hasSeenAll;

    internal EventLoop(int index, Action<Exception> onError)
    {
        Index = index;
        this.onError = onError;
        epoll = Native.epoll_create1(Native.CloseOnExec);
        wake = Native.eventfd(0, Native.CloseOnExec | Native.NonBlocking);

        if (epoll < 0 || wake < 0
            || Native.Control(epoll, Native.Add, wake, Native.In | Native.EdgeTriggered, WakeToken) != 0)
        {
            throw Native.Failure(Marshal.GetLastPInvokeError());
        }

        new Thread(Run) { IsBackground = true, Name = $"conduit loop {index}" }.Start();
    }

    /// <summary>The loop whose thread this is.</summary>
    internal static EventLoop? Current => current;

    /// <summary>Its place among the loops of the process.</summary>
    internal int Index { get; }

    /// <summary>The sockets that it waits for.</summary>
    internal int Count { get; private set; }

    /// <summary>How often it has looked at its sockets.</summary>
    internal int Turn { get; private set; }

    /// <summary>Since when it has been running what became ready, on the system's tick count; 0 when it waits.</summary>
    internal long BusySince => Volatile.Read(ref busySince);

    /// <summary>Whether it looked at all of its sockets no longer than a millisecond or two ago.</summary>
    internal bool HasJustLooked => hasSeenAll && Environment.TickCount64 - Volatile.Read(ref busySince) <= 1;

    /// <summary>Begins to wait for a descriptor. Gives the token that ends it again.</summary>
    internal ulong Register(int descriptor, uint events, IEventSink sink)
    {
        ulong token;

        lock (gate)
        {
            if (!free.TryPop(out var slot))
            {
                slot = used++;
                if (slot == registered.Length)
                {
                    var larger = new Registration?[slot * 2];
                    registered.CopyTo(larger, 0);
                    Volatile.Write(ref registered, larger);
                }
            }

            token = ((ulong)(registrations++) << 32) | (uint)slot;
            Volatile.Write(ref registered[slot], new Registration(token, sink));
            Count++;
        }

        if (Native.Control(epoll, Native.Add, descriptor, events, token) != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            Forget(token);
            throw Native.Failure(error);
        }

        return token;
    }

    /// <summary>Waits for the descriptor no longer. Events that are on their way may still come.</summary>
    internal void Unregister(int descriptor, ulong token)
    {
        Native.Control(epoll, Native.Delete, descriptor, 0, 0);
        Forget(token);
    }

    /// <summary>The same for a descriptor that is closed, which epoll has forgotten by itself.</summary>
    internal void Forget(ulong token)
    {
        lock (gate)
        {
            var slot = (int)(uint)token;
            if (registered[slot] is { } one && one.Token == token)
            {
                Volatile.Write(ref registered[slot], null);
                free.Push(slot);
                Count--;
            }
        }
    }

    /// <summary>Has the sink told on the loop, as if all its events had come. From any thread.</summary>
    internal void Post(IEventSink sink)
    {
        posted.Enqueue(sink);

        if (current != this && Interlocked.Exchange(ref isWoken, 1) == 0)
        {
            var one = 1UL;
            Native.write(wake, &one, sizeof(ulong));
        }
    }

    private void Run()
    {
        current = this;
        var events = (byte*)NativeMemory.Alloc((nuint)(MostEvents * Native.EventSize));

        while (true)
        {
            var count = Native.epoll_wait(epoll, events, MostEvents, posted.IsEmpty ? -1 : 0);
            Volatile.Write(ref busySince, Environment.TickCount64);
            Turn++;
            hasSeenAll = count < MostEvents;

            for (var index = 0; index < count; index++)
            {
                var at = events + (index * Native.EventSize);
                Find(*(ulong*)(at + Native.EventData))?.Announce(*(uint*)at);
            }

            for (var index = 0; index < count; index++)
            {
                var at = events + (index * Native.EventSize);
                Dispatch(*(uint*)at, *(ulong*)(at + Native.EventData));
            }

            RunPosted();
            Volatile.Write(ref busySince, 0);
        }
    }

    private void Dispatch(uint events, ulong token)
    {
        if (token == WakeToken)
        {
            var value = 0UL;
            Native.read(wake, &value, sizeof(ulong));
            return;
        }

        if (Find(token) is { } sink)
        {
            Tell(sink, events);
        }
    }

    private IEventSink? Find(ulong token)
    {
        if (token == WakeToken)
        {
            return null;
        }

        var all = Volatile.Read(ref registered);
        return Volatile.Read(ref all[(int)(uint)token]) is { } one && one.Token == token ? one.Sink : null;
    }

    /// <summary>What was posted until now; what that posts again comes after the next look at the sockets.</summary>
    private void RunPosted()
    {
        Interlocked.Exchange(ref isWoken, 0);

        for (var left = posted.Count; left > 0 && posted.TryDequeue(out var sink); left--)
        {
            Tell(sink, Native.In | Native.Out);
        }
    }

    private void Tell(IEventSink sink, uint events)
    {
        try
        {
            sink.OnEvents(events);
        }
        catch (Exception error)
        {
            onError(error);
        }
    }
}
