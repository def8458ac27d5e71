using System;
using System.Buffers;
using System.Text;
using Microsoft.Extensions.Primitives;

namespace Conduit.Transport;

/// <summary>
/// Writes the head of a request into a pooled buffer. Text goes out as Latin-1, byte for byte as Kestrel
/// read it; a line break in it is refused, because it would begin another field.
/// </summary>
public sealed class HeadWriter : IHeadSink
{
    private static readonly SearchValues<char> breaks = SearchValues.Create("\r\n\0");

    private byte[] buffer = [];
    private int length;

    public ReadOnlyMemory<byte> Written => buffer.AsMemory(0, length);

    /// <summary>Takes a buffer, and begins with <c>METHOD target HTTP/1.1</c>.</summary>
    public void Begin(string method, string basePath, string target) => Begin([], method, basePath, target);

    /// <summary>The same after <paramref name="preface"/>, which comes first on the connection.</summary>
    public void Begin(ReadOnlySpan<byte> preface, string method, string basePath, string target)
    {
        length = 0;
        if (buffer.Length == 0)
        {
            buffer = ArrayPool<byte>.Shared.Rent(2048);
        }

        Bytes(preface);
        Line(method);
        Bytes(" "u8);
        Line(basePath);
        Line(target);
        Bytes(" HTTP/1.1\r\n"u8);
    }

    /// <summary>A header field.</summary>
    public void Field(string name, string value)
    {
        Line(name);
        Bytes(": "u8);
        Line(value);
        Bytes("\r\n"u8);
    }

    public void Fields(string name, StringValues values)
    {
        foreach (var value in values)
        {
            Field(name, value ?? "");
        }
    }

    /// <summary>Two header values as one, separated by a comma.</summary>
    public void Field(string name, string value, string more)
    {
        Line(name);
        Bytes(": "u8);
        Line(value);
        Bytes(", "u8);
        Line(more);
        Bytes("\r\n"u8);
    }

    /// <summary>A header field whose value is a number.</summary>
    public void Field(string name, long value)
    {
        Line(name);
        Bytes(": "u8);
        Reserve(20);
        value.TryFormat(buffer.AsSpan(length), out var written, provider: null);
        length += written;
        Bytes("\r\n"u8);
    }

    /// <summary>The empty line that ends the head.</summary>
    public void End() => Bytes("\r\n"u8);

    /// <summary>Framing of a body, to go out with the head.</summary>
    public void Text(string text)
    {
        Reserve(text.Length);
        length += Encoding.Latin1.GetBytes(text, buffer.AsSpan(length));
    }

    /// <summary>The beginning of a body, to go out with the head.</summary>
    public void Body(ReadOnlySequence<byte> body)
    {
        foreach (var segment in body)
        {
            Bytes(segment.Span);
        }
    }

    /// <summary>Gives the buffer back.</summary>
    public void Release()
    {
        if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
            buffer = [];
        }

        length = 0;
    }

    private void Line(string text)
    {
        if (text.AsSpan().ContainsAny(breaks))
        {
            throw new ArgumentException("a line break within a head", nameof(text));
        }

        Text(text);
    }

    private void Bytes(ReadOnlySpan<byte> bytes)
    {
        Reserve(bytes.Length);
        bytes.CopyTo(buffer.AsSpan(length));
        length += bytes.Length;
    }

    private void Reserve(int more)
    {
        if (buffer.Length - length >= more)
        {
            return;
        }

        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(buffer.Length * 2, length + more));
        buffer.AsSpan(0, length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
    }
}
