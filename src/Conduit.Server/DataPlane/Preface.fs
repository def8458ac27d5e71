namespace Conduit.Server

open System
open System.Buffers
open System.IO
open System.IO.Pipelines
open System.Threading.Tasks
open Conduit

/// What a connection begins with, read without taking it.
[<RequireQualifiedAccess>]
module Preface =

    /// The first line of HTTP/2 with prior knowledge (RFC 9113 section 3.4); no request of HTTP/1 has it.
    let private http2 = "PRI * HTTP/2.0\r\n"B

    /// Whether the bytes so far are HTTP/2; nothing while they may become that.
    let private verdict (bytes: ReadOnlySequence<byte>) : bool voption =
        let length = int (min bytes.Length (int64 http2.Length))
        let head = bytes.Slice(0, length)
        let start = Array.zeroCreate<byte> length
        head.CopyTo(start.AsSpan())

        if not (start.AsSpan().SequenceEqual(http2.AsSpan(0, length))) then
            ValueSome false
        elif length = http2.Length then
            ValueSome true
        else
            ValueNone

    let private headerOf (bytes: ReadOnlySequence<byte>) =
        if bytes.IsSingleSegment then
            ProxyHeader.read bytes.FirstSpan
        else
            ProxyHeader.read (ReadOnlySpan(bytes.ToArray()))

    /// Takes a header of the PROXY protocol, and nothing behind it. Incomplete when the connection ends first.
    let takeProxyHeader (input: PipeReader) : Task<ProxyHeader> = task {
        let mutable header = ProxyHeader.Incomplete
        let mutable going = true

        try
            while going do
                let! read = input.ReadAsync()
                header <- headerOf read.Buffer

                match header with
                | ProxyHeader.Complete(length, _) ->
                    let rest = read.Buffer.GetPosition(int64 length)
                    input.AdvanceTo(rest, rest)
                | _ -> input.AdvanceTo(read.Buffer.Start, read.Buffer.End)

                going <- header.IsIncomplete && not (read.IsCompleted || read.IsCanceled)
        with
        // It breaks, or is broken off here.
        | :? IOException
        | :? OperationCanceledException -> ()

        return header
    }

    /// Whether a cleartext connection speaks HTTP/2 from its first byte on; nothing when it ends before that
    /// is known.
    let isHttp2 (input: PipeReader) : Task<bool voption> = task {
        let mutable known = ValueNone
        let mutable going = true

        try
            while going do
                let! read = input.ReadAsync()
                known <- verdict read.Buffer
                going <- known.IsNone && not (read.IsCompleted || read.IsCanceled)
                // What has not been looked at to its end is there again at once.
                input.AdvanceTo(
                    read.Buffer.Start,
                    (if known.IsSome then read.Buffer.Start else read.Buffer.End)
                )
        with
        // It breaks, or is broken off here.
        | :? IOException
        | :? OperationCanceledException -> ()

        return known
    }
