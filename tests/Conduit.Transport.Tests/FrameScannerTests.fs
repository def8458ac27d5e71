module Conduit.Transport.Tests.FrameScannerTests

open System
open System.IO.Pipelines
open System.Threading.Tasks
open FsCheck.FSharp
open Microsoft.AspNetCore.Connections
open Xunit
open Conduit.Tests
open Conduit.Transport.Http2

/// Notes what it hears, and ends the connection at the frame of a type.
type private Notes(ends: byte) =
    let heard = ResizeArray<struct (byte * byte * int)>()
    member _.Heard = List.ofSeq heard

    interface IFrameListener with
        member _.Heard(kind, flags, length) =
            heard.Add(struct (kind, flags, length))
            kind <> ends

let private preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"B

let private frame (struct (kind: byte, flags: byte, length: int)) = [|
    byte (length >>> 16)
    byte (length >>> 8)
    byte length
    kind
    flags
    0uy
    0uy
    0uy
    1uy
    // Bytes that would be heads of frames of another type if they were taken for such.
    yield! Array.create length 77uy
|]

let private frames =
    Gen.listOf (
        gen {
            let! kind = Gen.choose (0, 20)
            let! flags = Gen.choose (0, 255)
            let! length = Gen.frequency [ 3, Gen.choose (0, 30); 1, Gen.choose (0, 70_000) ]
            return struct (byte kind, byte flags, length)
        }
    )

/// Reads all through a reader that gives pieces of these sizes, taking of each as much as `takes` says.
let private readAll
    (listener: IFrameListener)
    (bytes: byte[])
    (piece: int)
    (takes: int64 -> int64)
    : Task<int64> = task {
    let pipe = Pipe(PipeOptions(pauseWriterThreshold = 0L))
    let reader = FrameReader(pipe.Reader, listener)
    let mutable passed = 0L

    for start in 0..piece .. bytes.Length - 1 do
        let! _ =
            pipe.Writer.WriteAsync(ReadOnlyMemory(bytes, start, min piece (bytes.Length - start)))

        let! read = reader.ReadAsync()
        let taken = takes read.Buffer.Length
        passed <- passed + taken
        reader.AdvanceTo(read.Buffer.GetPosition taken, read.Buffer.End)

    pipe.Writer.Complete()
    let! rest = reader.ReadAsync()
    passed <- passed + rest.Buffer.Length
    reader.AdvanceTo rest.Buffer.End
    return passed
}

[<Fact>]
let ``each frame is heard of once, in whatever pieces the bytes come and are taken`` () =
    let cases = gen {
        let! sent = frames
        let! piece = Gen.choose (1, 5000)
        let! part = Gen.choose (0, 100)
        return sent, piece, part
    }

    Property.checkFew (
        Prop.forAll (Arb.fromGen cases) (fun (sent, piece, part) ->
            let bytes = Array.append preface (sent |> List.toArray |> Array.collect frame)
            let notes = Notes 255uy

            let passed =
                readAll notes bytes piece (fun length -> length * int64 part / 100L)
                |> _.GetAwaiter().GetResult()

            passed = int64 bytes.Length && notes.Heard = sent)
    )

[<Fact>]
let ``a read fails once the listener has heard enough`` () : Task = task {
    let bytes =
        Array.concat [
            preface
            frame (struct (4uy, 0uy, 6))
            frame (struct (3uy, 0uy, 4))
            frame (struct (1uy, 0uy, 9))
        ]

    let notes = Notes 3uy

    let! _ =
        Assert.ThrowsAsync<ConnectionResetException>(fun () -> readAll notes bytes bytes.Length id :> Task)

    Assert.Equal<struct (byte * byte * int) list>([ struct (4uy, 0uy, 6); struct (3uy, 0uy, 4) ], notes.Heard)
}
