using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;

namespace Conduit.Transport;

/// <summary>
/// Lets requests of HTTP/2 that HttpClient writes for <c>http</c> go out as <c>https</c>. HttpClient keeps
/// connections to https apart by the <c>Host</c> of the request, which in a proxy is the client's to choose,
/// so https backends are reached through it as http over a stream that speaks TLS; a server that minds
/// <c>:scheme</c> would refuse that. In a HEADERS frame HttpClient writes <c>:method</c> first and
/// <c>:scheme</c> second, as one byte of the static table (RFC 7541 appendix A): 0x86 is http, 0x87 https.
/// </summary>
public sealed class SchemeStream(Stream inner) : Stream
{
    private const int FrameHead = 9;
    private const byte HeadersFrame = 1;
    private const byte SchemeHttp = 0x86;
    private const byte SchemeHttps = 0x87;

    /// <summary>The client's preface (RFC 9113 section 3.4), which comes before all frames.</summary>
    private int toSkip = 24;

    private readonly byte[] head = new byte[FrameHead];
    private int headLength;
    private int payloadLeft;
    private Place place = Place.Elsewhere;
    private int literalLeft;

    /// <summary>Where in the block of a HEADERS frame the next byte stands.</summary>
    private enum Place
    {
        Elsewhere,
        Method,
        MethodLength,
        MethodText,
        Scheme,
    }

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        inner.ReadAsync(buffer, cancellationToken);

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        inner.ReadAsync(buffer, offset, count, cancellationToken);

    public override async ValueTask WriteAsync(
        ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var sent = 0;

        while (NextScheme(buffer.Span[sent..]) is var at and >= 0)
        {
            await inner.WriteAsync(buffer.Slice(sent, at), cancellationToken);
            await inner.WriteAsync(Https, cancellationToken);
            sent += at + 1;
        }

        await inner.WriteAsync(buffer[sent..], cancellationToken);
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public override void Flush() => inner.Flush();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }

        base.Dispose(disposing);
    }

    private static readonly byte[] Https = [SchemeHttps];

    /// <summary>
    /// Goes through bytes that are written, up to the first scheme to replace: gives where it stands, and -1
    /// when there is none. What was gone through is not seen again.
    /// </summary>
    private int NextScheme(ReadOnlySpan<byte> bytes)
    {
        for (var index = 0; index < bytes.Length; index++)
        {
            if (toSkip > 0)
            {
                var skipped = Math.Min(toSkip, bytes.Length - index);
                toSkip -= skipped;
                index += skipped - 1;
            }
            else if (payloadLeft > 0 && place == Place.Elsewhere)
            {
                var skipped = Math.Min(payloadLeft, bytes.Length - index);
                payloadLeft -= skipped;
                index += skipped - 1;
            }
            else if (payloadLeft > 0)
            {
                payloadLeft--;

                if (Step(bytes[index]))
                {
                    return index;
                }
            }
            else
            {
                head[headLength++] = bytes[index];

                if (headLength == FrameHead)
                {
                    headLength = 0;
                    payloadLeft = (head[0] << 16) | (head[1] << 8) | head[2];
                    place = head[3] == HeadersFrame ? Place.Method : Place.Elsewhere;
                }
            }
        }

        return -1;
    }

    /// <summary>Takes a byte of a block's beginning; whether it is the scheme to replace.</summary>
    private bool Step(byte value)
    {
        switch (place)
        {
            case Place.Method:
                // Indexed as a whole, or its name indexed and its value a text.
                place = (value & 0x80) != 0 ? Place.Scheme : Place.MethodLength;
                return false;
            case Place.MethodLength:
                literalLeft = value & 0x7F;
                place = literalLeft is > 0 and < 0x7F ? Place.MethodText : Place.Elsewhere;
                return false;
            case Place.MethodText:
                literalLeft--;
                place = literalLeft > 0 ? Place.MethodText : Place.Scheme;
                return false;
            default:
                place = Place.Elsewhere;
                return value == SchemeHttp;
        }
    }
}
