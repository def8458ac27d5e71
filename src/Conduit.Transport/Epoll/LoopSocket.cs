using System;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;

namespace Conduit.Transport.Epoll;

/// <summary>
/// A connected socket of a loop. What can be done at once is done at once; what cannot waits for the loop,
/// which then goes on with whoever waited, there and then.
/// </summary>
internal sealed unsafe class LoopSocket : ByteChannel, IEventSink
{
    private const uint Wanted = Native.In | Native.Out | Native.PeerClosed | Native.EdgeTriggered;

    /// <summary>What <see cref="Transfer"/> gives when it would have had to wait.</summary>
    internal const int WouldWait = -1;

    private readonly int descriptor;
    private readonly SocketOperation reading;
    private readonly SocketOperation writing;

    private EventLoop loop;
    private ulong token;
    private Action? onPeerClosed;

    /// <summary>One for the owner and one for each call under way: at none the descriptor is closed, and the
    /// system may give its number to another.</summary>
    private int uses = 1;
    private int isClosed;

    /// <summary>The loop on whose thread it came to rest, and in which of its turns.</summary>
    private EventLoop? restedOn;
    private int restedIn;
    private volatile bool isAborted;
    private volatile bool isPeerClosed;

    /// <summary>Takes a descriptor that does not block.</summary>
    internal LoopSocket(int descriptor, EventLoop loop)
    {
        this.descriptor = descriptor;
        this.loop = loop;
        reading = new SocketOperation(this, isWrite: false);
        writing = new SocketOperation(this, isWrite: true);
        token = loop.Register(descriptor, Wanted, this);
    }

    internal EventLoop Loop => loop;

    internal int Descriptor => descriptor;

    internal bool IsAborted => isAborted;

    /// <summary>Whether the peer has said that it sends no more, or the connection is broken.</summary>
    internal bool IsPeerClosed => isPeerClosed;

    /// <summary>Has this called once when the peer closes; at once, if it has.</summary>
    internal void WhenPeerCloses(Action action)
    {
        // A full fence, as where the peer's close is told: one of the two must see the other's.
        Interlocked.Exchange(ref onPeerClosed, action);
        if (isPeerClosed)
        {
            Interlocked.Exchange(ref onPeerClosed, null)?.Invoke();
        }
    }

    public override ValueTask<int> ReceiveAsync(Memory<byte> buffer) => reading.Begin(buffer);

    public override ValueTask<int> SendAsync(ReadOnlyMemory<byte> data) =>
        writing.Begin(MemoryMarshal.AsMemory(data));

    /// <summary>What a <see cref="ReceiveAsync"/> waits for that could not be done at once.</summary>
    internal SocketOperation Receiving => reading;

    /// <summary>Ends a wait for data, if there is one, with a result of -1.</summary>
    internal void CancelReceive() => reading.Cancel();

    /// <summary>Ends a wait for room, if there is one, with a result of -1.</summary>
    internal void CancelSend() => writing.Cancel();

    /// <summary>Whether the next wait for data is cancelled; asking takes it back.</summary>
    internal bool TakeReceiveCancellation() => reading.TakeCancellation();

    /// <summary>Whether the next wait for room is cancelled; asking takes it back.</summary>
    internal bool TakeSendCancellation() => writing.TakeCancellation();

    /// <summary>Whether a read is worth a try: something has come since the last that found nothing.</summary>
    internal bool MayHaveData => reading.IsReady;

    /// <summary>Reads without waiting; <see cref="WouldWait"/> when there is nothing.</summary>
    internal int TryReceive(Memory<byte> buffer) => reading.Try(buffer);

    /// <summary>Reads into the buffer, or writes from it; <see cref="WouldWait"/> when neither is possible now.</summary>
    internal int Transfer(bool isWrite, Span<byte> buffer)
    {
        if (isAborted || !Enter())
        {
            throw new ObjectDisposedException(nameof(LoopSocket));
        }

        nint count;
        var error = 0;

        fixed (byte* bytes = buffer)
        {
            do
            {
                count = isWrite
                    ? Native.send(descriptor, bytes, buffer.Length, Native.NoSignal)
                    : Native.recv(descriptor, bytes, buffer.Length, 0);
                error = count < 0 ? Marshal.GetLastPInvokeError() : 0;
            }
            while (error == Native.Interrupted);
        }

        Leave();

        return count >= 0 ? (int)count
            : error == Native.Again ? WouldWait
            : throw Native.Failure(error);
    }

    /// <summary>Has the loop come back to this socket after the others.</summary>
    internal void Post() => Volatile.Read(ref loop).Post(this);

    public void Announce(uint events)
    {
        if ((events & (Native.PeerClosed | Native.HangUp | Native.Error)) != 0)
        {
            isPeerClosed = true;
        }

        if ((events & Native.In) != 0)
        {
            reading.Announce();
        }
    }

    public void OnEvents(uint events)
    {
        if ((events & (Native.PeerClosed | Native.HangUp | Native.Error)) != 0)
        {
            isPeerClosed = true;
            Interlocked.MemoryBarrier();
        }

        if ((events & (Native.In | Native.PeerClosed | Native.HangUp | Native.Error)) != 0)
        {
            reading.Continue();
        }

        if ((events & (Native.Out | Native.HangUp | Native.Error)) != 0)
        {
            writing.Continue();
        }

        if (isPeerClosed && Volatile.Read(ref onPeerClosed) is not null)
        {
            Interlocked.Exchange(ref onPeerClosed, null)?.Invoke();
        }
    }

    public override void Rest()
    {
        restedOn = EventLoop.Current;
        restedIn = restedOn?.Turn ?? 0;
    }

    public override bool IsStale()
    {
        if (isPeerClosed)
        {
            return true;
        }

        // Then the loop knows: it has looked since the connection came to rest, just now, and been told of nothing.
        if (loop == EventLoop.Current && restedOn == loop && restedIn != loop.Turn
            && loop.HasJustLooked && !reading.IsReady)
        {
            return Volatile.Read(ref isClosed) != 0;
        }

        if (!Enter())
        {
            return true;
        }

        byte one;
        var count = Native.recv(descriptor, &one, 1, Native.Peek | Native.DontWait);
        var error = count < 0 ? Marshal.GetLastPInvokeError() : 0;
        Leave();
        return error != Native.Again;
    }

    /// <summary>Moves to another loop while nothing waits; stays with its own where the other cannot take
    /// it.</summary>
    internal void MoveTo(EventLoop other)
    {
        if (other != loop && Enter())
        {
            try
            {
                var (before, left) = (loop, token);
                token = other.Register(descriptor, Wanted, this);
                Volatile.Write(ref loop, other);
                before.Unregister(descriptor, left);
            }
            catch (SocketException)
            {
                // It is still where it was.
            }
            finally
            {
                Leave();
            }
        }
    }

    public override void Abort()
    {
        isAborted = true;
        Post();
    }

    /// <summary>Makes the close a reset, so that the peer cannot take what it has got for all there is.</summary>
    internal void ResetOnClose()
    {
        if (Enter())
        {
            var linger = stackalloc int[] { 1, 0 };
            Native.setsockopt(descriptor, Native.SocketLevel, Native.LingerOption, linger, 2 * sizeof(int));
            Leave();
        }
    }

    /// <summary>How many bytes the peer has acknowledged; -1 where that cannot be told.</summary>
    internal long Acknowledged()
    {
        if (!Enter())
        {
            return -1;
        }

        var info = stackalloc byte[TcpInfo.Size];
        var size = TcpInfo.Size;
        var result = Native.getsockopt(descriptor, TcpInfo.Level, TcpInfo.Option, info, &size);
        Leave();
        return result == 0 ? TcpInfo.Acknowledged(new ReadOnlySpan<byte>(info, size)) : -1;
    }

    /// <summary>Says that nothing more will be sent.</summary>
    internal void EndSending()
    {
        if (Enter())
        {
            Native.shutdown(descriptor, Native.ShutdownWrite);
            Leave();
        }
    }

    public override void Close()
    {
        if (Interlocked.Exchange(ref isClosed, 1) == 0)
        {
            isAborted = true;
            loop.Forget(token);
            Leave();
            // Nobody should wait any more; whoever does is told.
            reading.Continue();
            writing.Continue();
        }
    }

    private bool Enter()
    {
        var seen = Volatile.Read(ref uses);

        while (seen > 0 && Volatile.Read(ref isClosed) == 0)
        {
            var before = Interlocked.CompareExchange(ref uses, seen + 1, seen);
            if (before == seen)
            {
                return true;
            }

            seen = before;
        }

        return false;
    }

    private void Leave()
    {
        if (Interlocked.Decrement(ref uses) == 0)
        {
            Native.close(descriptor);
        }
    }
}
