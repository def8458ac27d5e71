using System;
using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using System.Threading.Tasks.Sources;
using Microsoft.AspNetCore.Connections;

namespace Conduit.Transport.Epoll;

/// <summary>
/// What a client sends, read from its socket when it is asked for and not before: a client that sends
/// faster than it is read waits in its own system.
/// </summary>
internal sealed class SocketInput(LoopSocket socket) : PipeReader, IValueTaskSource<ReadResult>
{
    private const int FirstBuffer = 4 * 1024;
    private const int LargeBuffer = 64 * 1024;

    /// <summary>More than that is never kept for a reader that takes nothing.</summary>
    private const int LargestBuffer = 1024 * 1024;

    private byte[] buffer = [];
    private int start;
    private int end;
    private ReadOnlySequence<byte> given;
    private bool hasNew;
    private bool isEnded;
    private bool isCompleted;
    private bool wantsMore;
    private int lastCount;

    /// <summary>The bytes that the buffer takes.</summary>
    internal int Capacity => buffer.Length;

    private ReadOnlySequence<byte> Unread => given = new ReadOnlySequence<byte>(buffer, start, end - start);

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(isCompleted, this);

        if (socket.TakeReceiveCancellation())
        {
            return new ValueTask<ReadResult>(new ReadResult(Unread, isCanceled: true, isEnded));
        }

        return hasNew || isEnded
            ? new ValueTask<ReadResult>(new ReadResult(Unread, isCanceled: false, isEnded))
            : cancellationToken.CanBeCanceled ? FillAsync(cancellationToken)
            : Fill();
    }

    public override bool TryRead(out ReadResult result)
    {
        ObjectDisposedException.ThrowIf(isCompleted, this);
        var isCancelled = socket.TakeReceiveCancellation();

        // What has come but not been read counts as there, up to a buffer.
        while (!isEnded && socket.MayHaveData && end - start < LargeBuffer / 2)
        {
            int count;
            try
            {
                count = socket.TryReceive(Room());
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                throw Broken(error);
            }

            if (count == LoopSocket.WouldWait)
            {
                break;
            }

            Take(count);
        }

        result = new ReadResult(Unread, isCancelled, isEnded);
        return isCancelled || hasNew || isEnded;
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        if (given.IsEmpty)
        {
            hasNew = false;
            return;
        }

        var first = given.GetOffset(given.Start);
        var seen = start + (int)(given.GetOffset(examined) - first);
        start += (int)(given.GetOffset(consumed) - first);
        hasNew = seen < end;
        given = default;

        if (start == end)
        {
            start = end = 0;

            // A client that sends little again needs no large buffer.
            if (lastCount < buffer.Length / 4 && buffer.Length > FirstBuffer)
            {
                ReturnBuffer();
            }
        }
    }

    public override void CancelPendingRead() => socket.CancelReceive();

    public override void Complete(Exception? exception = null)
    {
        if (!isCompleted)
        {
            isCompleted = true;
            given = default;
            ReturnBuffer();
        }
    }

    // The wait of a reader without a token is the socket's own.
    ValueTaskSourceStatus IValueTaskSource<ReadResult>.GetStatus(short token) => socket.Receiving.GetStatus(token);

    void IValueTaskSource<ReadResult>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        socket.Receiving.OnCompleted(continuation, state, token, flags);

    ReadResult IValueTaskSource<ReadResult>.GetResult(short token)
    {
        try
        {
            return Received(socket.Receiving.GetResult(token));
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            throw Broken(error);
        }
    }

    private ValueTask<ReadResult> Fill()
    {
        ValueTask<int> receiving;
        try
        {
            receiving = socket.ReceiveAsync(Room());
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            return ValueTask.FromException<ReadResult>(Broken(error));
        }

        return receiving.IsCompletedSuccessfully
            ? new ValueTask<ReadResult>(Received(receiving.Result))
            : new ValueTask<ReadResult>(this, socket.Receiving.Version);
    }

    [AsyncMethodBuilder(typeof(KeptMethodBuilder<>))]
    private async ValueTask<ReadResult> FillAsync(CancellationToken cancellation)
    {
        ReadResult result;

        using (cancellation.UnsafeRegister(static reader => ((SocketInput)reader!).CancelPendingRead(), this))
        {
            result = await Fill();
        }

        if (result.IsCanceled)
        {
            cancellation.ThrowIfCancellationRequested();
        }

        return result;
    }

    private ReadResult Received(int count)
    {
        if (count != SocketOperation.Cancelled)
        {
            Take(count);
        }

        return new ReadResult(Unread, isCanceled: count == SocketOperation.Cancelled, isEnded);
    }

    /// <summary>What readers of a client's connection expect when it breaks, or is broken off here.</summary>
    private static Exception Broken(Exception error) =>
        error is SocketException
            ? new ConnectionResetException(error.Message, error)
            : new ConnectionAbortedException("the connection was aborted", error);

    private void Take(int count)
    {
        lastCount = count;
        isEnded = count == 0;
        hasNew |= count > 0;
        end += count;
        // Who fills a buffer has more: the next one is larger.
        wantsMore = end == buffer.Length;
    }

    private Memory<byte> Room()
    {
        var kept = end - start;
        var wanted =
            wantsMore && buffer.Length < LargeBuffer ? LargeBuffer
            : kept == buffer.Length ? Math.Max(FirstBuffer, buffer.Length * 2)
            : buffer.Length;

        if (wanted > LargestBuffer)
        {
            throw new InvalidOperationException("a reader that asks for more and takes nothing");
        }

        if (wanted > buffer.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(wanted);
            buffer.AsSpan(start, kept).CopyTo(larger);
            ReturnBuffer();
            buffer = larger;
            start = 0;
            end = kept;
        }
        else if (end == buffer.Length)
        {
            buffer.AsSpan(start, kept).CopyTo(buffer);
            start = 0;
            end = kept;
        }

        return buffer.AsMemory(end);
    }

    private void ReturnBuffer()
    {
        if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
            buffer = [];
        }
    }
}
