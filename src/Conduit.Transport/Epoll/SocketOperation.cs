using System;
using System.Threading;
using System.Threading.Tasks;
using System.Threading.Tasks.Sources;

namespace Conduit.Transport.Epoll;

/// <summary>
/// Reading from a socket, or writing to it, by one at a time. Events come once, when something becomes
/// possible (edge-triggered), perhaps between a try and the wait for them; so they leave a mark.
/// </summary>
internal sealed class SocketOperation(LoopSocket socket, bool isWrite) : IValueTaskSource<int>
{
    /// <summary>What a cancelled wait gives.</summary>
    internal const int Cancelled = -1;

    /// <summary>So often an operation may succeed at once between two looks at the loop's sockets; then it lets
    /// others go first.</summary>
    private const int MostAtOnce = 16;

    private const int Quiet = 0;
    private const int Ready = 1;
    private const int Waiting = 2;

    private ManualResetValueTaskSourceCore<int> source;
    private Memory<byte> buffer;
    private int state = isWrite ? Ready : Quiet;
    private int atOnce;
    private int turn;
    private volatile bool isCancelling;

    /// <summary>Tells the wait that goes on from others.</summary>
    internal short Version => source.Version;

    internal bool IsReady => Volatile.Read(ref state) == Ready;

    internal ValueTask<int> Begin(Memory<byte> memory)
    {
        if (IsGreedy())
        {
            return Yield(memory);
        }

        while (true)
        {
            if (isWrite || IsReady || socket.IsAborted)
            {
                var count = Try(memory);
                if (count != LoopSocket.WouldWait)
                {
                    return new ValueTask<int>(count);
                }
            }

            // Before the state: from then on the loop may complete it.
            buffer = memory;
            source.Reset();
            var result = new ValueTask<int>(this, source.Version);

            if (Interlocked.CompareExchange(ref state, Waiting, Quiet) == Quiet)
            {
                if (isCancelling || socket.IsAborted)
                {
                    // It came in between; the loop sees to it.
                    socket.Post();
                }

                return result;
            }
        }
    }

    /// <summary>Does what can be done without waiting.</summary>
    internal int Try(Memory<byte> memory)
    {
        Interlocked.Exchange(ref state, Quiet);
        int count;

        try
        {
            count = socket.Transfer(isWrite, memory.Span);
        }
        catch
        {
            // Whoever tries again is to see that it is broken, not to wait.
            Volatile.Write(ref state, Ready);
            throw;
        }

        // A read that filled the buffer left something, perhaps; less means that there was no more, but for
        // the end, which is told once.
        if (count == memory.Length || (!isWrite && count >= 0 && socket.IsPeerClosed))
        {
            Volatile.Write(ref state, Ready);
        }

        return count;
    }

    /// <summary>Leaves a mark where nobody waits.</summary>
    internal void Announce() => Interlocked.CompareExchange(ref state, Ready, Quiet);

    /// <summary>Goes on with the wait, if there is one; else leaves a mark for the next.</summary>
    internal void Continue()
    {
        while (Interlocked.Exchange(ref state, Ready) == Waiting)
        {
            if (isCancelling)
            {
                isCancelling = false;
                Complete(Cancelled, null);
                return;
            }

            int count;
            try
            {
                count = Try(buffer);
            }
            catch (Exception error)
            {
                Complete(0, error);
                return;
            }

            if (count != LoopSocket.WouldWait)
            {
                Complete(count, null);
                return;
            }

            if (Interlocked.CompareExchange(ref state, Waiting, Quiet) == Quiet)
            {
                return;
            }

            // An event came in between: its mark is taken for the wait again.
            Volatile.Write(ref state, Waiting);
        }
    }

    /// <summary>Ends the wait with <see cref="Cancelled"/>, on the loop; without one, the next.</summary>
    internal void Cancel()
    {
        isCancelling = true;
        socket.Post();
    }

    /// <summary>Whether the next wait is cancelled; asking takes it back.</summary>
    internal bool TakeCancellation()
    {
        var was = isCancelling;
        isCancelling = false;
        return was;
    }

    public int GetResult(short token) => source.GetResult(token);

    public ValueTaskSourceStatus GetStatus(short token) => source.GetStatus(token);

    public void OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        source.OnCompleted(continuation, state, token, flags);

    private bool IsGreedy()
    {
        var now = socket.Loop.Turn;
        atOnce = turn == now ? atOnce + 1 : 0;
        turn = now;
        return atOnce >= MostAtOnce;
    }

    private ValueTask<int> Yield(Memory<byte> memory)
    {
        buffer = memory;
        source.Reset();
        var result = new ValueTask<int>(this, source.Version);
        Volatile.Write(ref state, Waiting);
        socket.Post();
        return result;
    }

    private void Complete(int count, Exception? error)
    {
        buffer = default;

        if (error is null)
        {
            source.SetResult(count);
        }
        else
        {
            source.SetException(error);
        }
    }
}
