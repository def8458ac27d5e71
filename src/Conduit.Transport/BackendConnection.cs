using System;
using System.Buffers;
using System.Collections.Generic;
using System.IO;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using Conduit.Transport.Epoll;

namespace Conduit.Transport;

/// <summary>
/// A connection to a backend that carries one exchange at a time: write a head, perhaps a body, read the
/// head of the response, then its body; then <see cref="Release"/>. Reading and writing may go on at once.
/// A failure is a <see cref="BackendFaultException"/>; after <see cref="Abort"/>, an
/// <see cref="OperationCanceledException"/>.
/// </summary>
public sealed class BackendConnection
{
    private const int FirstBuffer = 16 * 1024;
    private const int LargeBuffer = 64 * 1024;

    private readonly ByteChannel channel;
    private readonly BackendPool pool;
    private readonly ResponseParser parser;
    private readonly ChunkedDecoder chunks = new();

    private byte[] buffer = [];
    private int start;
    private int end;

    private long left;
    private bool bodyEnded;
    private bool isTunnel;
    private int aborted;

    internal BackendConnection(ByteChannel channel, BackendPool pool, long now)
    {
        this.channel = channel;
        this.pool = pool;
        Head = new ResponseHead();
        parser = new ResponseParser(Head);
        OpenedAt = now;
    }

    /// <summary>The request's head; filled by the user of the connection, sent by <see cref="SendHeadAsync"/>.</summary>
    public HeadWriter Request { get; } = new();

    /// <summary>The response's head, after <see cref="ReadHeadAsync"/>.</summary>
    public ResponseHead Head { get; }

    /// <summary>Whether it has carried an exchange before, so that the backend may just have closed it.</summary>
    public bool IsReused { get; private set; }

    /// <summary>Whether a byte of a response has come in this exchange.</summary>
    public bool HasAnswered { get; private set; }

    /// <summary>Whether the response's body has been read to its end.</summary>
    public bool IsBodyEnded => bodyEnded;

    /// <summary>The trailers of a chunked body that has been read to its end.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Trailers => chunks.Trailers;

    /// <summary>Milliseconds on the system's tick count.</summary>
    internal long OpenedAt { get; }

    internal long RestsUntil { get; private set; }

    /// <summary>Whether a backend that is idle has sent something or closed: then it is of no use.</summary>
    internal bool IsStale() => channel.IsStale();

    /// <summary>Ends whatever waits. May be called from any thread while the exchange goes on.</summary>
    public void Abort()
    {
        if (Interlocked.Exchange(ref aborted, 1) == 0)
        {
            channel.Abort();
        }
    }

    public ValueTask SendHeadAsync() => SendAsync(Request.Written);

    [AsyncMethodBuilder(typeof(KeptMethodBuilder))]
    public async ValueTask SendAsync(ReadOnlyMemory<byte> data)
    {
        try
        {
            while (!data.IsEmpty)
            {
                var sent = await channel.SendAsync(data);
                data = data[sent..];
            }
        }
        catch (Exception error) when (IsBreak(error))
        {
            throw Broken(BackendFaultKind.Refused, error);
        }
    }

    /// <summary>
    /// Reads the head of the next response, an interim one (1xx) as well. <paramref name="isHead"/>: the
    /// request was a HEAD, so that no body follows.
    /// </summary>
    [AsyncMethodBuilder(typeof(KeptMethodBuilder<>))]
    public async ValueTask<ResponseHead> ReadHeadAsync(bool isHead)
    {
        parser.Begin();

        while (true)
        {
            var length = parser.Read(buffer.AsSpan(start, end - start));

            if (length > 0)
            {
                start += length;
                BeginBody(isHead);
                return Head;
            }

            if (length < 0)
            {
                throw new BackendFaultException(BackendFaultKind.Garbled, parser.Fault);
            }

            MakeRoom();
            int count;

            try
            {
                count = await channel.ReceiveAsync(buffer.AsMemory(end));
            }
            catch (Exception error) when (IsBreak(error))
            {
                throw Broken(HasAnswered ? BackendFaultKind.Reset : BackendFaultKind.Closed, error);
            }

            end += count;

            if (count == 0)
            {
                throw HasAnswered
                    ? new BackendFaultException(BackendFaultKind.Reset, "the connection ended within the head")
                    : new BackendFaultException(BackendFaultKind.Closed, "the backend closed the connection");
            }

            HasAnswered = true;
        }
    }

    /// <summary>
    /// The next piece of the body, valid until the next call; empty at its end. After a switch of protocols
    /// (101), whatever comes, until the backend closes.
    /// </summary>
    [AsyncMethodBuilder(typeof(KeptMethodBuilder<>))]
    public async ValueTask<ReadOnlyMemory<byte>> ReadBodyAsync()
    {
        while (!bodyEnded)
        {
            if (start < end && TryTake(out var piece))
            {
                return piece;
            }

            if (bodyEnded)
            {
                break;
            }

            MakeRoom();
            int count;

            try
            {
                count = await channel.ReceiveAsync(buffer.AsMemory(end));
            }
            catch (Exception error) when (IsBreak(error))
            {
                throw Broken(BackendFaultKind.Truncated, error);
            }

            end += count;

            if (count == 0)
            {
                if (!isTunnel && Head.Framing != Framing.UntilClose)
                {
                    throw new BackendFaultException(BackendFaultKind.Truncated, "the connection ended within the body");
                }

                bodyEnded = true;
            }
        }

        return ReadOnlyMemory<byte>.Empty;
    }

    /// <summary>A piece of the body that is there already; nothing when it would have to be waited for.</summary>
    public bool TryReadBody(out ReadOnlyMemory<byte> piece)
    {
        piece = default;
        return !bodyEnded && start < end && TryTake(out piece);
    }

    /// <summary>
    /// Ends the exchange: the connection goes back to its pool when it can carry another, which
    /// <paramref name="isComplete"/>, that the request was sent whole, is needed for; otherwise it closes.
    /// </summary>
    public void Release(bool isComplete)
    {
        Request.Release();
        var isReusable =
            isComplete && bodyEnded && !isTunnel && start == end && Head.KeepsAlive
            && Head.Framing != Framing.UntilClose && !(Head.IsChunked && Head.ContentLength >= 0)
            && Volatile.Read(ref aborted) == 0;

        if (start == end)
        {
            ReleaseBuffer();
        }

        if (isReusable)
        {
            pool.Return(this);
        }
        else
        {
            Close();
        }
    }

    /// <summary>The loop that it belongs to, by number; 0 where there are none.</summary>
    internal int Shelf => channel is LoopSocket socket ? socket.Loop.Index : 0;

    /// <summary>Takes the connection out of the pool for another exchange, and to the loop of the one that
    /// takes it.</summary>
    internal void Reuse()
    {
        if (channel is LoopSocket socket && EventLoop.Current is { } loop)
        {
            socket.MoveTo(loop);
        }

        IsReused = true;
        HasAnswered = false;
    }

    /// <summary>
    /// A connection is idle for so long at most; where the backend says for how long it keeps one, a second less,
    /// so that it does not close just when a request is on its way.
    /// </summary>
    internal void Rest(long now, TimeSpan most)
    {
        var time = (long)most.TotalMilliseconds;
        if (Head.IdleSeconds is >= 0 and var seconds)
        {
            time = Math.Min(time, Math.Max(seconds * 1000L - 1000L, seconds * 500L));
        }

        RestsUntil = now + time;
        channel.Rest();
    }

    internal void Close()
    {
        Abort();
        channel.Close();
        ReleaseBuffer();
        pool.Closed();
    }

    private void BeginBody(bool isHead)
    {
        isTunnel = Head.Status == 101;
        Head.Framing =
            isHead || Head.Status is (>= 100 and < 200) or 204 or 304 ? Framing.None
            : Head.IsChunked ? Framing.Chunked
            : Head.ContentLength >= 0 ? Framing.Length
            : Framing.UntilClose;

        left = Head.Framing == Framing.Length ? Head.ContentLength : 0;
        bodyEnded = !isTunnel && (Head.Framing == Framing.None || (Head.Framing == Framing.Length && left == 0));

        if (Head.Framing == Framing.Chunked)
        {
            chunks.Begin();
        }
        else
        {
            chunks.Trailers.Clear();
        }
    }

    /// <summary>Takes a piece from the buffer, which is not empty; false when none is whole, or at the end.</summary>
    private bool TryTake(out ReadOnlyMemory<byte> piece)
    {
        if (Head.Framing == Framing.Chunked)
        {
            return TryTakeChunk(out piece);
        }

        var length = end - start;

        if (Head.Framing == Framing.Length)
        {
            length = (int)Math.Min(left, length);
            left -= length;
            bodyEnded = left == 0;
        }

        piece = buffer.AsMemory(start, length);
        start += length;
        return true;
    }

    private bool TryTakeChunk(out ReadOnlyMemory<byte> piece)
    {
        var taken = chunks.Read(buffer.AsSpan(start, end - start), out var offset, out var length);

        if (taken < 0)
        {
            throw new BackendFaultException(BackendFaultKind.Garbled, chunks.Fault);
        }

        piece = buffer.AsMemory(start + offset, length);
        start += taken;
        bodyEnded = chunks.IsEnded;
        return length > 0;
    }

    /// <summary>A body of many pieces gets a large buffer; a head that fills its own gets one twice as large.</summary>
    private void MakeRoom()
    {
        if (start == end)
        {
            start = end = 0;
        }

        var isLarge = !bodyEnded && (left > buffer.Length || Head.Framing == Framing.UntilClose);
        var wanted = buffer.Length == 0 ? FirstBuffer : buffer.Length;

        if (start == 0 && end == buffer.Length && end > 0)
        {
            wanted = buffer.Length * 2;
        }
        else if (isLarge && start == end && buffer.Length < LargeBuffer)
        {
            wanted = LargeBuffer;
        }
        else if (start > 0 && end == buffer.Length)
        {
            buffer.AsSpan(start, end - start).CopyTo(buffer);
            end -= start;
            start = 0;
            return;
        }

        if (wanted > buffer.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(wanted);
            buffer.AsSpan(start, end - start).CopyTo(larger);
            ReturnBuffer();
            buffer = larger;
            end -= start;
            start = 0;
        }
    }

    private void ReleaseBuffer()
    {
        ReturnBuffer();
        start = end = 0;
    }

    private void ReturnBuffer()
    {
        if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
            buffer = [];
        }
    }

    private static bool IsBreak(Exception error) =>
        error is SocketException or ObjectDisposedException or IOException;

    private Exception Broken(BackendFaultKind kind, Exception error) =>
        Volatile.Read(ref aborted) == 1
            ? new OperationCanceledException("the exchange was ended", error)
            : new BackendFaultException(kind, "the backend broke the connection", error);
}
