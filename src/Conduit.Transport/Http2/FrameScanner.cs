using System;

namespace Conduit.Transport.Http2;

/// <summary>Hears of each frame of HTTP/2 when its head has come.</summary>
public interface IFrameListener
{
    /// <summary>The frame's type and flags (RFC 9113 section 6), and its length in bytes without its head; false when
    /// the connection must end.</summary>
    bool Heard(byte type, byte flags, int length);
}

/// <summary>Finds the heads of the frames in what a client of HTTP/2 sends, in whatever pieces it comes.</summary>
internal sealed class FrameScanner(IFrameListener listener)
{
    /// <summary>Of the client's connection preface (RFC 9113 section 3.4).</summary>
    private const int PrefaceLength = 24;

    private const int HeadLength = 9;

    private readonly byte[] head = new byte[HeadLength];
    private int collected;
    private int skip = PrefaceLength;

    /// <summary>Goes through the next bytes; false as soon as the listener has said so.</summary>
    internal bool Scan(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (skip > 0)
            {
                var passed = Math.Min(skip, bytes.Length);
                skip -= passed;
                bytes = bytes[passed..];
            }
            else
            {
                var taken = Math.Min(HeadLength - collected, bytes.Length);
                bytes[..taken].CopyTo(head.AsSpan(collected));
                collected += taken;
                bytes = bytes[taken..];

                if (collected == HeadLength && !Tell())
                {
                    return false;
                }
            }
        }

        return true;
    }

    private bool Tell()
    {
        collected = 0;
        skip = (head[0] << 16) | (head[1] << 8) | head[2];
        return listener.Heard(head[3], head[4], skip);
    }
}
