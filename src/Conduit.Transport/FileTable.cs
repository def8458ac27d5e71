using System;
using System.Threading;
using System.Threading.Tasks;
using Conduit.Transport.Epoll;

namespace Conduit.Transport;

/// <summary>
/// The descriptors that the process may have open. .NET ends a process that gets none when its pool starts a
/// thread, and code that cannot be loaded for want of one never is again; so connections leave some free. A
/// client is accepted only where there would be a descriptor for a connection to a backend, too. Where there is
/// no such limit, there is always room.
/// </summary>
public static class FileTable
{
    private static readonly TimeSpan pause = TimeSpan.FromMilliseconds(100);

    /// <summary>Between two reports of the same shortage, in milliseconds.</summary>
    private const long Quiet = 10_000;

    /// <summary>Descriptors beside those of connections, mostly of loaded code: more than are ever open.</summary>
    private const int Others = 512;

    private static long nextReport;
    private static int clients;
    private static int backends;

    /// <summary>Told, now and then, while clients have to wait to be accepted: why.</summary>
    public static event Action<string>? Short;

    /// <summary>How many the process may have open.</summary>
    public static int Limit { get; } = OperatingSystem.IsLinux() ? Native.FileLimit() : int.MaxValue;

    /// <summary>So many are left free by clients, and half as many by connections to backends.</summary>
    public static int Kept { get; } = Limit == int.MaxValue ? 0 : Math.Clamp(Limit / 8, Math.Min(32, Limit / 4), 512);

    /// <summary>Clients for whose requests there is no connection to a backend yet.</summary>
    private static int Unserved => Math.Max(0, Volatile.Read(ref clients) - Volatile.Read(ref backends));

    /// <summary>Whether one more client may be accepted. Asks the system, where there are many connections.</summary>
    public static bool HasRoomForClient() =>
        Limit == int.MaxValue
        || Volatile.Read(ref clients) + Volatile.Read(ref backends) < (Limit / 4) - Others
        || Native.NextDescriptor() < Limit - Kept - Unserved;

    /// <summary>To be told of each client that is accepted, and again when it has left.</summary>
    public static void CountClient(int change) => Interlocked.Add(ref clients, change);

    /// <summary>The same for connections to backends.</summary>
    internal static void CountBackend(int change) => Interlocked.Add(ref backends, change);

    /// <summary>Whether a connection to a backend may have the descriptor that it was given: the system gives
    /// the lowest that is free.</summary>
    public static bool IsForBackend(nint descriptor) => Limit == int.MaxValue || descriptor < Limit - (Kept / 2);

    /// <summary>Ends when one more client may be accepted.</summary>
    public static async ValueTask RoomForClientAsync(CancellationToken cancellation)
    {
        while (!HasRoomForClient())
        {
            Report();
            await Task.Delay(pause, cancellation);
        }
    }

    internal static void Report() =>
        Report($"the process may have {Limit} open files, and what is left is for connections to backends");

    internal static void Report(string why)
    {
        var now = Environment.TickCount64;
        var next = Volatile.Read(ref nextReport);

        if (now >= next && Interlocked.CompareExchange(ref nextReport, now + Quiet, next) == next)
        {
            Short?.Invoke(why);
        }
    }
}
