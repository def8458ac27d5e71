namespace Conduit.Server.Tests

open System
open System.IO
open System.Net.Sockets
open System.Text
open System.Threading
open System.Threading.Tasks

/// How the other side ended its stream.
type Ending =
    /// By FIN: all that it meant to say was said.
    | Finished
    /// By RST: it broke off.
    | Broken

/// A connected socket, read through a buffer. Texts are Latin-1, so that every byte has a character.
[<Sealed>]
type Wire(socket: Socket) =
    let mutable data = Array.zeroCreate<byte> 16384
    let mutable first = 0
    let mutable last = 0

    let take count =
        let taken = data[first .. first + count - 1]
        first <- first + count
        taken

    member _.Socket = socket

    /// Waits for more bytes; false when the stream ended.
    member _.Fill() : Task<bool> = task {
        if first = last then
            first <- 0
            last <- 0
        elif last = data.Length then
            let larger = Array.zeroCreate<byte>((last - first) * 2)
            Array.blit data first larger 0 (last - first)
            data <- larger
            last <- last - first
            first <- 0

        use limit = new CancellationTokenSource(Eventually.patience)

        try
            let! read = socket.ReceiveAsync(data.AsMemory last, SocketFlags.None, limit.Token)
            last <- last + read
            return read > 0
        with :? OperationCanceledException ->
            return raise (TimeoutException "nothing came")
    }

    /// All bytes up to the end of the first `mark`; nothing when the stream ended before the first one.
    member this.ReadThrough(mark: string) : Task<string option> = task {
        let mutable at = -1
        let mutable going = true

        while going do
            at <- Encoding.Latin1.GetString(data, first, last - first).IndexOf(mark, StringComparison.Ordinal)

            if at >= 0 then
                going <- false
            else
                let! more = this.Fill()
                going <- more

        if at >= 0 then
            return Some(Encoding.Latin1.GetString(take (at + mark.Length)))
        elif first = last then
            return None
        else
            return raise (EndOfStreamException "the stream ended within a line")
    }

    member this.ReadExactly(count: int) : Task<byte[]> = task {
        while last - first < count do
            let! more = this.Fill()

            if not more then
                raise (EndOfStreamException $"the stream ended {count - last + first} bytes early")

        return take count
    }

    /// Reads bytes and forgets them.
    member this.Skip(count: int64) : Task = task {
        let mutable left = count

        while left > 0L do
            if first = last then
                let! more = this.Fill()

                if not more then
                    raise (EndOfStreamException $"the stream ended {left} bytes early")

            let skipped = min left (int64 (last - first))
            first <- first + int skipped
            left <- left - skipped
    }

    /// All that is still to come, and how it ends.
    member this.ReadToEnd() : Task<byte[] * Ending> = task {
        let mutable ending = None

        while ending.IsNone do
            try
                let! more = this.Fill()

                if not more then
                    ending <- Some Finished
            with
            | :? SocketException
            | :? IOException -> ending <- Some Broken

        return take (last - first), Option.defaultValue Broken ending
    }

    member _.Send(bytes: byte[]) : Task = task {
        use limit = new CancellationTokenSource(Eventually.patience)
        let mutable sent = 0

        while sent < bytes.Length do
            let! count = socket.SendAsync(bytes.AsMemory sent, SocketFlags.None, limit.Token)
            sent <- sent + count
    }

    member this.Send(text: string) : Task =
        this.Send(Encoding.Latin1.GetBytes text)

    /// Ends what this side says; the other side may go on.
    member _.Finish() = socket.Shutdown SocketShutdown.Send

    /// Breaks the connection off: the other side sees a reset.
    member _.Reset() =
        socket.LingerState <- LingerOption(true, 0)
        socket.Dispose()
