using System;
using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Connections;

namespace Conduit.Transport.Http2;

/// <summary>
/// The input of a connection of HTTP/2, handed on as it comes after a look at its frames. A read fails when the
/// listener ends the connection.
/// </summary>
public sealed class FrameReader(PipeReader input, IFrameListener listener) : PipeReader
{
    private readonly FrameScanner scanner = new(listener);
    private ReadOnlySequence<byte> buffer;

    /// <summary>So many bytes from the buffer's start on have been looked at.</summary>
    private long seen;

    public override bool TryRead(out ReadResult result)
    {
        var isThere = input.TryRead(out result);

        if (isThere)
        {
            Look(result);
        }

        return isThere;
    }

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        var reading = input.ReadAsync(cancellationToken);
        return reading.IsCompletedSuccessfully ? new(Look(reading.Result)) : WaitAsync(reading);
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        seen -= buffer.Slice(buffer.Start, consumed).Length;
        buffer = default;
        input.AdvanceTo(consumed, examined);
    }

    public override void CancelPendingRead() => input.CancelPendingRead();

    public override void Complete(Exception? exception = null) => input.Complete(exception);

    public override ValueTask CompleteAsync(Exception? exception = null) => input.CompleteAsync(exception);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ReadResult> WaitAsync(ValueTask<ReadResult> reading) => Look(await reading);

    private ReadResult Look(ReadResult result)
    {
        buffer = result.Buffer;

        if (buffer.Length > seen)
        {
            foreach (var piece in buffer.Slice(seen))
            {
                if (!scanner.Scan(piece.Span))
                {
                    throw new ConnectionResetException("the client floods the connection");
                }
            }

            seen = buffer.Length;
        }

        return result;
    }
}
