using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;

namespace Conduit.Transport;

/// <summary>
/// A connection after a switch of protocols (101) as a stream of bytes both ways. What ends a read or a
/// write early is <see cref="BackendConnection.Abort"/>; tokens are looked at before each alone.
/// </summary>
public sealed class TunnelStream(BackendConnection connection) : Stream
{
    private ReadOnlyMemory<byte> rest;

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();

        if (rest.IsEmpty)
        {
            rest = await Translate(connection.ReadBodyAsync());
        }

        var count = Math.Min(rest.Length, buffer.Length);
        rest[..count].CopyTo(buffer);
        rest = rest[count..];
        return count;
    }

    public override async ValueTask WriteAsync(
        ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();

        try
        {
            await connection.SendAsync(buffer);
        }
        catch (BackendFaultException error)
        {
            throw new IOException(error.Message, error);
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private static async ValueTask<ReadOnlyMemory<byte>> Translate(ValueTask<ReadOnlyMemory<byte>> reading)
    {
        try
        {
            return await reading;
        }
        catch (BackendFaultException error)
        {
            throw new IOException(error.Message, error);
        }
    }
}
