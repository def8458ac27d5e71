using System;
using System.Buffers;
using System.Collections.Generic;
using System.Text;

namespace Conduit.Transport;

/// <summary>
/// Reads a chunked body as bytes come (RFC 9112 section 7.1). Sizes are 1 to 15 hexadecimal digits, lines
/// end with CR LF, extensions and trailers are bounded; anything else is refused.
/// </summary>
public sealed class ChunkedDecoder
{
    private const int LongestLine = 4096;
    private const int LongestTrailers = 32 * 1024;

    private enum Part
    {
        Size,
        Data,
        DataEnd,
        Trailers,
        End,
    }

    private Part part;
    private long left;
    private int trailerBytes;

    /// <summary>Whether the last chunk and the trailers have been read.</summary>
    public bool IsEnded => part == Part.End;

    /// <summary>The trailers; empty before the end.</summary>
    public List<KeyValuePair<string, string>> Trailers { get; } = [];

    /// <summary>What is wrong, once <see cref="Read"/> has failed.</summary>
    public string Fault { get; private set; } = "";

    /// <summary>Begins with another body.</summary>
    public void Begin()
    {
        part = Part.Size;
        trailerBytes = 0;
        Trailers.Clear();
        Fault = "";
    }

    /// <summary>
    /// Takes what it can from the beginning of <paramref name="data"/>: at most one piece of the body.
    /// Gives the number of bytes taken, -1 when they are wrong; the piece is <paramref name="length"/> bytes
    /// at <paramref name="offset"/>. When nothing is taken, more is needed.
    /// </summary>
    public int Read(ReadOnlySpan<byte> data, out int offset, out int length)
    {
        var taken = 0;
        offset = length = 0;

        while (part != Part.End)
        {
            var rest = data[taken..];

            if (part == Part.Data)
            {
                offset = taken;
                length = (int)Math.Min(left, rest.Length);
                left -= length;
                part = left == 0 ? Part.DataEnd : Part.Data;

                if (length > 0)
                {
                    // The line break behind the piece comes with the next call.
                    return taken + length;
                }

                return taken;
            }

            var line = Line(rest);
            if (line < 0)
            {
                return line == -1 ? taken : -1;
            }

            if (!Accept(rest[..line]))
            {
                return -1;
            }

            taken += line + 2;
        }

        return taken;
    }

    /// <summary>The length of the line without its end; -1 when it is not whole, -2 when it is wrong.</summary>
    private int Line(ReadOnlySpan<byte> data)
    {
        var end = data.IndexOf((byte)'\n');
        var isWrong =
            end < 0 ? data.Length > LongestLine
            : end == 0 || end > LongestLine || data[end - 1] != '\r';

        if (isWrong)
        {
            Fault = "a line of the chunked coding without CR LF";
            return -2;
        }

        return end < 0 ? -1 : end - 1;
    }

    private bool Accept(ReadOnlySpan<byte> line)
    {
        switch (part)
        {
            case Part.DataEnd:
                part = Part.Size;
                return line.IsEmpty || Fail("a chunk that is longer than its size");

            case Part.Size:
                return Size(line);

            default:
                return Trailer(line);
        }
    }

    private bool Size(ReadOnlySpan<byte> line)
    {
        var extension = line.IndexOf((byte)';');
        var digits = (extension < 0 ? line : line[..extension]).TrimEnd(" \t"u8);
        left = 0;

        if (digits.Length is 0 or > 15)
        {
            return Fail("a chunk without a size");
        }

        foreach (var digit in digits)
        {
            var value = HexValue(digit);
            if (value < 0)
            {
                return Fail("a chunk's size with other characters");
            }

            left = (left << 4) | (long)value;
        }

        if (line.Contains((byte)'\r'))
        {
            return Fail("a CR within a line of the chunked coding");
        }

        part = left == 0 ? Part.Trailers : Part.Data;
        return true;
    }

    private bool Trailer(ReadOnlySpan<byte> line)
    {
        trailerBytes += line.Length + 2;

        if (line.IsEmpty)
        {
            part = Part.End;
            return true;
        }

        if (trailerBytes > LongestTrailers)
        {
            return Fail("the trailers are too large");
        }

        var fault = ResponseParser.Split(line, out var name, out var value);
        if (fault is not null)
        {
            return Fail(fault);
        }

        Trailers.Add(new(Encoding.Latin1.GetString(name), Encoding.Latin1.GetString(value)));
        return true;
    }

    private static int HexValue(byte digit) => digit switch
    {
        >= (byte)'0' and <= (byte)'9' => digit - '0',
        >= (byte)'a' and <= (byte)'f' => digit - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => digit - 'A' + 10,
        _ => -1,
    };

    private bool Fail(string fault)
    {
        Fault = fault;
        return false;
    }
}
