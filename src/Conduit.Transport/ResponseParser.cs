using System;
using System.Buffers;
using System.Buffers.Text;
using System.Text;

namespace Conduit.Transport;

/// <summary>
/// Reads the head of a response line by line, as bytes come (RFC 9112 sections 2 to 5). It is strict: a
/// line ends with CR LF, a field begins with its name, and what is not plain is refused, because a
/// client that guesses can be made to take one response for two.
/// </summary>
public sealed class ResponseParser(ResponseHead head)
{
    /// <summary>Longer heads are refused, in bytes.</summary>
    public const int LongestHead = 64 * 1024;

    /// <summary>Heads with more fields are refused.</summary>
    public const int MostFields = 512;

    private static readonly SearchValues<byte> tokenBytes = SearchValues.Create(
        "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    /// <summary>What no value may contain: control characters but the tab.</summary>
    private static readonly SearchValues<byte> controls = SearchValues.Create(
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
         30, 31, 127]);

    private bool started;
    private int lineStart;
    private int searched;

    /// <summary>What is wrong with the response, once <see cref="Read"/> has failed.</summary>
    public string Fault { get; private set; } = "";

    /// <summary>Begins with another response.</summary>
    public void Begin()
    {
        head.Begin();
        started = false;
        lineStart = 0;
        searched = 0;
        Fault = "";
    }

    /// <summary>
    /// Reads on. <paramref name="data"/> begins where the head begins, and each call has more of it. Gives
    /// the head's length in bytes; 0 when more is needed, -1 when it is wrong.
    /// </summary>
    public int Read(ReadOnlySpan<byte> data)
    {
        while (true)
        {
            var found = data[searched..].IndexOf((byte)'\n');
            if (found < 0)
            {
                searched = data.Length;
                return data.Length > LongestHead && !Fail("the head is too large") ? -1 : 0;
            }

            var end = searched + found;
            if (end > LongestHead)
            {
                Fail("the head is too large");
                return -1;
            }

            if (end == lineStart || data[end - 1] != '\r')
            {
                Fail("a line that does not end with CR LF");
                return -1;
            }

            var line = data[lineStart..(end - 1)];
            lineStart = searched = end + 1;

            if (!started)
            {
                started = true;
                if (!Start(line))
                {
                    return -1;
                }
            }
            else if (line.IsEmpty)
            {
                return lineStart;
            }
            else if (!Field(line))
            {
                return -1;
            }
        }
    }

    /// <summary>A length in digits alone; -1 for anything else.</summary>
    internal static long Length(ReadOnlySpan<byte> text) =>
        text.Length is > 0 and < 19
        && !text.ContainsAnyExceptInRange((byte)'0', (byte)'9')
        && Utf8Parser.TryParse(text, out long length, out _)
            ? length
            : -1;

    /// <summary>Whether a comma-separated list has an item, in whatever case.</summary>
    internal static bool HasToken(ReadOnlySpan<byte> list, ReadOnlySpan<byte> token)
    {
        foreach (var range in list.Split((byte)','))
        {
            if (Ascii.EqualsIgnoreCase(list[range].Trim(" \t"u8), token))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The seconds of <c>timeout=5</c> in a Keep-Alive field; -1 where it has none.</summary>
    internal static int Timeout(ReadOnlySpan<byte> list)
    {
        foreach (var range in list.Split((byte)','))
        {
            var part = list[range].Trim(" \t"u8);
            if (part.StartsWith("timeout="u8) && Length(part["timeout=".Length..]) is >= 0 and var seconds)
            {
                return (int)Math.Min(seconds, int.MaxValue / 1000);
            }
        }

        return -1;
    }

    /// <summary>Splits a field line; gives what is wrong with it, or null.</summary>
    internal static string? Split(ReadOnlySpan<byte> line, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        var colon = line.IndexOf((byte)':');
        name = colon < 0 ? default : line[..colon];
        value = colon < 0 ? default : line[(colon + 1)..].Trim(" \t"u8);

        return name.IsEmpty ? "a field without a name"
            : name.ContainsAnyExcept(tokenBytes) ? "a field's name with other characters"
            : value.ContainsAny(controls) ? "a control character"
            : null;
    }

    /// <summary><c>HTTP/1.1 200 OK</c>; the reason and the space before it may be missing.</summary>
    private bool Start(ReadOnlySpan<byte> line)
    {
        var isHttp11 = line.StartsWith("HTTP/1.1 "u8);

        if (line.Length < 12 || !(isHttp11 || line.StartsWith("HTTP/1.0 "u8)))
        {
            return Fail("no HTTP/1.1 status line");
        }

        var digits = line.Slice(9, 3);
        var reason = line[12..];

        if (digits.ContainsAnyExceptInRange((byte)'0', (byte)'9') || digits[0] == '0'
            || (!reason.IsEmpty && reason[0] != ' '))
        {
            return Fail("a status that is none");
        }

        if (reason.ContainsAny(controls))
        {
            return Fail("a control character");
        }

        var status = ((digits[0] - '0') * 100) + ((digits[1] - '0') * 10) + (digits[2] - '0');
        head.Start(isHttp11, status, reason.IsEmpty ? reason : reason[1..]);
        return true;
    }

    private bool Field(ReadOnlySpan<byte> line)
    {
        var fault = Split(line, out var name, out var value) ?? head.Add(name, value);
        return fault is null || Fail(fault);
    }

    private bool Fail(string fault)
    {
        Fault = fault;
        return false;
    }
}
