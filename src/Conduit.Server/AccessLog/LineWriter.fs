namespace Conduit.Server

open System
open System.Buffers
open System.Buffers.Text
open System.Text

/// IMPURE: lines in ASCII, one after the other. Whatever a text has in it, a line has no control character but
/// its own end: such characters, and those beyond ASCII, stand there as JSON escapes them.
[<Sealed>]
type LineWriter() =

    static let plain =
        SearchValues.Create(
            String(
                [| for c in 0x20..0x7e -> char c |]
                |> Array.filter (fun c -> c <> '"' && c <> '\\')
            )
        )

    let mutable bytes = Array.zeroCreate<byte> 16384
    let mutable length = 0

    let reserve count =
        if bytes.Length - length < count then
            Array.Resize(&bytes, max (bytes.Length * 2) (length + count))

    /// A pair of surrogates stands as two escapes, one without the other as what stands for anything broken.
    let unit (text: string) index =
        let c = text[index]

        let isPaired =
            (Char.IsHighSurrogate c
             && index + 1 < text.Length
             && Char.IsLowSurrogate text[index + 1])
            || (Char.IsLowSurrogate c && index > 0 && Char.IsHighSurrogate text[index - 1])

        if Char.IsSurrogate c && not isPaired then '\uFFFD' else c

    let escape (c: char) =
        match c with
        | '"'
        | '\\' ->
            bytes[length] <- byte '\\'
            bytes[length + 1] <- byte c
            length <- length + 2
        | c when c >= ' ' && c <= '~' ->
            bytes[length] <- byte c
            length <- length + 1
        | c ->
            bytes[length] <- byte '\\'
            bytes[length + 1] <- byte 'u'
            length <- length + 2
            let mutable written = 0

            Utf8Formatter.TryFormat(uint16 c, bytes.AsSpan length, &written, StandardFormat('x', 4uy))
            |> ignore

            length <- length + written

    /// What has been written since the last `Clear`.
    member _.Written = ReadOnlySpan<byte>(bytes, 0, length)

    member _.Clear() = length <- 0

    /// ASCII as it is, which must not come from anybody else.
    member _.Raw(text: string) =
        reserve text.Length
        length <- length + Encoding.ASCII.GetBytes(text, bytes.AsSpan length)

    /// A text in quotes.
    member this.Quoted(text: string) =
        this.Raw "\""

        if not (text.AsSpan().ContainsAnyExcept plain) then
            this.Raw text
        else
            reserve (6 * text.Length)

            for index in 0 .. text.Length - 1 do
                escape (unit text index)

        this.Raw "\""

    member _.Number(value: int64) =
        reserve 20
        let mutable written = 0
        Utf8Formatter.TryFormat(value, bytes.AsSpan length, &written) |> ignore
        length <- length + written

    /// Milliseconds, to the microsecond.
    member this.Milliseconds(time: TimeSpan) =
        let microseconds = time.Ticks / TimeSpan.TicksPerMicrosecond
        this.Number(microseconds / 1000L)
        this.Raw "."
        reserve 3
        let rest = int (microseconds % 1000L)
        bytes[length] <- byte (int '0' + rest / 100)
        bytes[length + 1] <- byte (int '0' + rest / 10 % 10)
        bytes[length + 2] <- byte (int '0' + rest % 10)
        length <- length + 3

    /// As RFC 3339 writes it, to the millisecond.
    member _.Time(at: DateTime) =
        reserve 24
        let mutable written = 0

        at.TryFormat(bytes.AsSpan length, &written, "yyyy-MM-dd'T'HH:mm:ss.fff'Z'")
        |> ignore

        length <- length + written
