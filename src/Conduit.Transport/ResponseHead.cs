using System;
using System.Text;

namespace Conduit.Transport;

/// <summary>How the end of a response's body is known (RFC 9112 section 6.3).</summary>
public enum Framing
{
    None,
    Length,
    Chunked,
    UntilClose,
}

/// <summary>
/// The head of a response. It belongs to a connection, which reads one response after the other into it:
/// names and values that equal those of the response before are the same strings again.
/// </summary>
public sealed class ResponseHead
{
    private string[] names = new string[16];
    private string[] values = new string[16];
    private FieldKind[] kinds = new FieldKind[16];

    /// <summary>100 to 999.</summary>
    public int Status { get; private set; }

    /// <summary>The reason phrase; it may be empty.</summary>
    public string Reason { get; private set; } = "";

    /// <summary>Whether the backend speaks HTTP/1.1, not 1.0.</summary>
    public bool IsHttp11 { get; private set; }

    /// <summary>The number of fields, in the order in which they came.</summary>
    public int Count { get; private set; }

    public string Name(int index) => names[index];

    public string Value(int index) => values[index];

    /// <summary>How the body ends.</summary>
    public Framing Framing { get; internal set; }

    /// <summary>The length of a body, or of the body that a HEAD would have had; -1 where none is said.</summary>
    public long ContentLength { get; private set; }

    /// <summary>Whether there is a <c>Transfer-Encoding</c>, which can only be chunked.</summary>
    public bool IsChunked { get; private set; }

    /// <summary>Whether a <c>Trailer</c> field announces trailers.</summary>
    public bool AnnouncesTrailers { get; private set; }

    /// <summary>Where <c>Connection</c> stands among the fields, first; -1 for nowhere.</summary>
    public int Connection { get; private set; }

    /// <summary>Whether the connection may carry another request after this response.</summary>
    internal bool KeepsAlive { get; private set; }

    /// <summary>Seconds for which the backend says that it keeps an idle connection; -1 where it does not say.</summary>
    internal int IdleSeconds { get; private set; } = -1;

    internal void Begin()
    {
        IdleSeconds = -1;
        Count = 0;
        ContentLength = -1;
        IsChunked = false;
        AnnouncesTrailers = false;
        Connection = -1;
        KeepsAlive = false;
        Framing = Framing.None;
    }

    internal void Start(bool isHttp11, int status, ReadOnlySpan<byte> reason)
    {
        IsHttp11 = isHttp11;
        KeepsAlive = isHttp11;
        Status = status;
        Reason = Text(reason, Reason);
    }

    /// <summary>Adds a field; gives what is wrong with it, or null.</summary>
    internal string? Add(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        if (Count == names.Length)
        {
            if (Count == ResponseParser.MostFields)
            {
                return "too many fields";
            }

            Array.Resize(ref names, Count * 2);
            Array.Resize(ref values, Count * 2);
            Array.Resize(ref kinds, Count * 2);
        }

        var index = Count++;
        var known = names[index];

        if (known is null || !Ascii.Equals(name, known))
        {
            names[index] = FieldNames.Find(name);
            kinds[index] = FieldNames.KindOf(names[index]);
        }

        values[index] = Text(value, values[index]);
        return Note(kinds[index], index, value);
    }

    private static string Text(ReadOnlySpan<byte> bytes, string? before) =>
        bytes.IsEmpty ? ""
        : before is not null && Ascii.Equals(bytes, before) ? before
        : Encoding.Latin1.GetString(bytes);

    private string? Note(FieldKind kind, int index, ReadOnlySpan<byte> value)
    {
        switch (kind)
        {
            case FieldKind.ContentLength:
                if (ContentLength >= 0)
                {
                    return "two Content-Length fields";
                }

                ContentLength = ResponseParser.Length(value);
                return ContentLength < 0 ? "a Content-Length that is no length" : null;

            case FieldKind.TransferEncoding:
                var isSole = !IsChunked && Ascii.EqualsIgnoreCase(value, "chunked"u8);
                IsChunked = true;
                return !IsHttp11 ? "a Transfer-Encoding in HTTP/1.0"
                    : isSole ? null
                    : "a Transfer-Encoding besides chunked";

            case FieldKind.Connection:
                Connection = Connection < 0 ? index : Connection;
                KeepsAlive &= !ResponseParser.HasToken(value, "close"u8);
                return null;

            case FieldKind.KeepAlive:
                IdleSeconds = ResponseParser.Timeout(value);
                return null;

            case FieldKind.Trailer:
                AnnouncesTrailers = true;
                return null;

            default:
                return null;
        }
    }
}
