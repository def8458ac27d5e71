using System;
using System.Collections.Frozen;
using System.Linq;
using System.Text;

namespace Conduit.Transport;

/// <summary>The fields that a client must understand.</summary>
internal enum FieldKind : byte
{
    Other,
    ContentLength,
    TransferEncoding,
    Connection,
    Trailer,
    KeepAlive,
}

/// <summary>The names that most responses consist of, so that each is one string for the whole process.</summary>
internal static class FieldNames
{
    private static readonly FrozenDictionary<string, string>.AlternateLookup<ReadOnlySpan<char>> known =
        new[]
        {
            "Accept-Ranges", "Access-Control-Allow-Credentials", "Access-Control-Allow-Headers",
            "Access-Control-Allow-Methods", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers",
            "Access-Control-Max-Age", "Age", "Allow", "Alt-Svc", "Cache-Control", "Connection",
            "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Length",
            "Content-Location", "Content-Range", "Content-Security-Policy", "Content-Type", "Date", "ETag",
            "Expires", "Keep-Alive", "Last-Modified", "Link", "Location", "Pragma", "Proxy-Authenticate",
            "Proxy-Connection", "Referrer-Policy", "Retry-After", "Server", "Set-Cookie",
            "Strict-Transport-Security", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Vary", "Via",
            "WWW-Authenticate", "X-Content-Type-Options", "X-Frame-Options", "X-Powered-By", "X-Request-Id",
        }.ToFrozenDictionary(name => name, StringComparer.Ordinal)
            .GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>The name as a string, letter for letter: backends may count on the case they wrote.</summary>
    internal static string Find(ReadOnlySpan<byte> name)
    {
        Span<char> text = stackalloc char[64];
        if (name.Length > text.Length)
        {
            return Encoding.Latin1.GetString(name);
        }

        text = text[..Encoding.Latin1.GetChars(name, text)];
        return known.TryGetValue(text, out var same) ? same : text.ToString();
    }

    internal static FieldKind KindOf(string name) => name.Length switch
    {
        7 when Is(name, "Trailer") => FieldKind.Trailer,
        10 when Is(name, "Connection") => FieldKind.Connection,
        10 when Is(name, "Keep-Alive") => FieldKind.KeepAlive,
        14 when Is(name, "Content-Length") => FieldKind.ContentLength,
        17 when Is(name, "Transfer-Encoding") => FieldKind.TransferEncoding,
        _ => FieldKind.Other,
    };

    private static bool Is(string name, string other) => name.Equals(other, StringComparison.OrdinalIgnoreCase);
}
