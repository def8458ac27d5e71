using System;
using System.Buffers;
using System.Collections.Generic;
using System.IO;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;

namespace Conduit.Transport.Epoll;

/// <summary>
/// What a client is sent. A flush sends all there is, and waits where the client does not take it: whoever
/// flushes is held up as the client is slow.
/// </summary>
internal sealed class SocketOutput(LoopSocket socket) : PipeWriter
{
    private const int FirstBuffer = 4 * 1024;
    private const int LargeBuffer = 64 * 1024;

    private readonly Queue<(byte[] Buffer, int Length)> full = new();
    private byte[] buffer = [];
    private int next = FirstBuffer;
    private int sent;
    private int length;
    private long unflushed;
    private bool isBroken;
    private bool isCompleted;

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes => unflushed;

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        ObjectDisposedException.ThrowIf(isCompleted, this);

        if (buffer.Length - length < Math.Max(sizeHint, 1))
        {
            NextBuffer(sizeHint);
        }

        return buffer.AsMemory(length);
    }

    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public override void Advance(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)bytes, (uint)(buffer.Length - length));

        // What is written for a client that is gone is not kept.
        if (!isBroken)
        {
            length += bytes;
            unflushed += bytes;
        }
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var isCancelled = socket.TakeSendCancellation();

        if (isCancelled || isBroken || unflushed == 0)
        {
            return new ValueTask<FlushResult>(new FlushResult(isCancelled, isBroken));
        }

        // Who has sent much will send much: in one piece, then.
        next = unflushed > FirstBuffer ? LargeBuffer : FirstBuffer;

        if (full.Count > 0)
        {
            return SendAllAsync(default, cancellationToken);
        }

        ValueTask<int> sending;
        try
        {
            sending = socket.SendAsync(buffer.AsMemory(sent, length - sent));
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            return new ValueTask<FlushResult>(Broken());
        }

        if (sending.IsCompletedSuccessfully)
        {
            var count = sending.Result;
            sending = default;

            if (count == SocketOperation.Cancelled)
            {
                return new ValueTask<FlushResult>(new FlushResult(isCanceled: true, isCompleted: false));
            }

            if (count == unflushed)
            {
                Clear();
                return new ValueTask<FlushResult>(default(FlushResult));
            }

            Sent(count);
        }

        return SendAllAsync(sending, cancellationToken);
    }

    public override void CancelPendingFlush() => socket.CancelSend();

    public override void Complete(Exception? exception = null)
    {
        if (isCompleted)
        {
            return;
        }

        isCompleted = true;
        Clear();
    }

    /// <summary>Sends what is left, going on with a send that is under way, if one is.</summary>
    [AsyncMethodBuilder(typeof(KeptMethodBuilder<>))]
    private async ValueTask<FlushResult> SendAllAsync(ValueTask<int> sending, CancellationToken cancellation)
    {
        var registration = cancellation.CanBeCanceled
            ? cancellation.UnsafeRegister(static writer => ((SocketOutput)writer!).CancelPendingFlush(), this)
            : default;

        try
        {
            while (true)
            {
                var count = await sending;

                if (count == SocketOperation.Cancelled)
                {
                    cancellation.ThrowIfCancellationRequested();
                    return new FlushResult(isCanceled: true, isCompleted: false);
                }

                Sent(count);

                if (unflushed == 0)
                {
                    Clear();
                    return default;
                }

                var (first, end) = full.Count > 0 ? full.Peek() : (buffer, length);
                sending = socket.SendAsync(first.AsMemory(sent, end - sent));
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            return Broken();
        }
        finally
        {
            registration.Dispose();
        }
    }

    private void Sent(int count)
    {
        sent += count;
        unflushed -= count;

        if (full.Count > 0 && sent == full.Peek().Length)
        {
            ArrayPool<byte>.Shared.Return(full.Dequeue().Buffer);
            sent = 0;
        }
    }

    /// <summary>The client is gone: whatever is written from now on goes nowhere, as with any pipe that nobody
    /// reads.</summary>
    private FlushResult Broken()
    {
        isBroken = true;
        Clear();
        return new FlushResult(isCanceled: false, isCompleted: true);
    }

    private void NextBuffer(int sizeHint)
    {
        if (length > 0)
        {
            full.Enqueue((buffer, length));
        }
        else if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        buffer = ArrayPool<byte>.Shared.Rent(Math.Max(sizeHint, full.Count == 0 ? next : LargeBuffer));
        length = 0;
    }

    private void Clear()
    {
        while (full.TryDequeue(out var one))
        {
            ArrayPool<byte>.Shared.Return(one.Buffer);
        }

        if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
            buffer = [];
        }

        sent = length = 0;
        unflushed = 0;
    }
}
