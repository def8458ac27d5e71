namespace Conduit.Tests

open System
open System.Collections.Generic
open System.Threading.Tasks
open Conduit.Transport

/// A backend that sends what it is told to, piece by piece, and then closes; what it is sent is kept.
[<Sealed>]
type ScriptedChannel(pieces: byte[] list) =
    inherit ByteChannel()

    let waiting = Queue<byte[]>(pieces)
    let sent = List<byte>()

    member _.Sent = sent.ToArray()

    member val IsClosed = false with get, set

    override _.ReceiveAsync buffer =
        if waiting.Count = 0 then
            ValueTask<int> 0
        else
            let piece = waiting.Dequeue()
            let count = min piece.Length buffer.Length
            piece.AsMemory(0, count).CopyTo buffer

            if count < piece.Length then
                // What did not fit is what comes next.
                let rest = piece[count..] :: List.ofSeq waiting
                waiting.Clear()
                List.iter waiting.Enqueue rest

            ValueTask<int> count

    override _.SendAsync data =
        sent.AddRange(data.ToArray())
        ValueTask<int> data.Length

    override _.IsStale() = waiting.Count > 0
    override _.Abort() = ()
    override this.Close() = this.IsClosed <- true
