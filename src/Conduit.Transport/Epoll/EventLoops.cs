using System;
using System.Linq;
using System.Threading;

namespace Conduit.Transport.Epoll;

/// <summary>The loops of the process, one for each processor, like the threads of the thread pool.</summary>
public static class EventLoops
{
    /// <summary>A loop that has run one thing for so long is said to stand still.</summary>
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(1);

    private static readonly Lazy<EventLoop[]> all = new(() =>
    {
        var loops = Enumerable.Range(0, Environment.ProcessorCount)
            .Select(index => new EventLoop(index, Report))
            .ToArray();

        watchdog = new Timer(_ => Watch(loops), null, patience, patience);
        return loops;
    });

    private static Timer? watchdog;
    private static int next;

    /// <summary>Whether this system has what the loops are made of.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux();

    /// <summary>Told when a loop stands still: its number, and for how long. Nothing on a loop may block.</summary>
    public static event Action<int, TimeSpan>? Stalled;

    /// <summary>Told of what was thrown where nothing may throw.</summary>
    public static event Action<Exception>? Failed;

    internal static EventLoop[] All => all.Value;

    /// <summary>The loop of the thread; on another thread, each in turn.</summary>
    internal static EventLoop Nearest =>
        EventLoop.Current ?? All[(int)((uint)Interlocked.Increment(ref next) % (uint)All.Length)];

    /// <summary>The loop with the fewest sockets.</summary>
    internal static EventLoop Lightest
    {
        get
        {
            var best = All[0];
            foreach (var loop in All)
            {
                best = loop.Count < best.Count ? loop : best;
            }

            return best;
        }
    }

    /// <summary>Tells of what was thrown where nothing may throw.</summary>
    internal static void Report(Exception error) => Failed?.Invoke(error);

    private static void Watch(EventLoop[] loops)
    {
        foreach (var loop in loops)
        {
            var since = loop.BusySince;
            var time = TimeSpan.FromMilliseconds(Environment.TickCount64 - since);

            if (since != 0 && time >= patience)
            {
                Stalled?.Invoke(loop.Index, time);
            }
        }
    }
}
