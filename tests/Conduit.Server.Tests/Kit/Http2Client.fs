namespace Conduit.Server.Tests

open System
open System.Net.Sockets
open System.Text
open System.Threading.Tasks

/// A frame of HTTP/2 as it stands on the wire.
type Http2Frame = {
    Kind: byte
    Flags: byte
    Stream: int
    Payload: byte[]
}

/// What frames are made of (RFC 9113 section 6). Names of headers and values are written out.
[<RequireQualifiedAccess>]
module Http2Frame =

    let private create kind flags stream payload = {
        Kind = kind
        Flags = flags
        Stream = stream
        Payload = payload
    }

    let data stream flags (payload: byte[]) = create 0uy flags stream payload

    let reset stream =
        create 3uy 0uy stream [| 0uy; 0uy; 0uy; 8uy |]

    /// HEADER_TABLE_SIZE, as it is.
    let settings = create 4uy 0uy 0 [| 0uy; 1uy; 0uy; 0uy; 16uy; 0uy |]
    let ping = create 6uy 0uy 0 (Array.create 8 7uy)
    let continuation stream flags payload = create 9uy flags stream payload

    /// A length of HPACK with a prefix of 7 bits.
    let private length (value: int) = [|
        if value < 127 then
            byte value
        else
            127uy
            let mutable rest = value - 127

            while rest >= 128 do
                byte (rest % 128 + 128)
                rest <- rest / 128

            byte rest
    |]

    let private text (text: string) =
        Array.append (length text.Length) (Encoding.Latin1.GetBytes text)

    /// Fields that are not kept in the table.
    let fields (all: (string * string) list) =
        all
        |> List.toArray
        |> Array.collect (fun (name, value) -> Array.concat [ [| 0uy |]; text name; text value ])

    let private head (method: string) = [
        ":method", method
        ":scheme", "http"
        ":authority", "conduit.test"
        ":path", "/"
    ]

    let endStream = 1uy
    let endHeaders = 4uy

    /// A GET that ends its stream; `flags` says whether its header block is whole.
    let get stream flags =
        create 1uy (flags ||| endStream) stream (fields (head "GET"))

    /// The head of a request that goes on.
    let request method stream =
        create 1uy endHeaders stream (fields (head method))

    /// Fields that end a stream.
    let trailers stream all =
        create 1uy (endHeaders ||| endStream) stream (fields all)

    let bytes (frame: Http2Frame) =
        let size = frame.Payload.Length

        Array.append
            [|
                byte (size >>> 16)
                byte (size >>> 8)
                byte size
                frame.Kind
                frame.Flags
                byte (frame.Stream >>> 24)
                byte (frame.Stream >>> 16)
                byte (frame.Stream >>> 8)
                byte frame.Stream
            |]
            frame.Payload

/// A client of HTTP/2 in cleartext that sends exactly the frames that it is told to.
[<Sealed>]
type Http2Client private (client: RawClient) =

    static member Connect(port: int) : Task<Http2Client> = task {
        let! client = RawClient.Connect port
        do! client.Send "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

        do!
            client.Send(
                Http2Frame.bytes {
                    Http2Frame.settings with
                        Payload = [||]
                }
            )

        return new Http2Client(client)
    }

    member _.Send(frames: Http2Frame seq) : Task =
        client.Send(frames |> Seq.map Http2Frame.bytes |> Array.concat)

    /// The next frame; an IOException when the connection is closed.
    member _.Next() : Task<Http2Frame> = task {
        let! head = client.Wire.ReadExactly 9

        let number (bytes: byte[]) =
            bytes |> Array.fold (fun sum each -> sum <<< 8 ||| int each) 0

        let! payload = client.Wire.ReadExactly(number head[0..2])

        return {
            Kind = head[3]
            Flags = head[4]
            Stream = number head[5..8]
            Payload = payload
        }
    }

    /// Sends until the server closes the connection, which it must, reading what it answers meanwhile.
    member this.SendUntilClosed(frames: Http2Frame seq) : Task = task {
        let ends (work: unit -> Task) : Task = task {
            try
                do! work ()
            with
            | :? SocketException
            | :? IO.IOException -> ()
        }

        let receiving =
            ends (fun () -> task {
                while true do
                    let! _ = this.Next()
                    ()
            })

        do!
            ends (fun () -> task {
                for batch in Seq.chunkBySize 500 frames do
                    do! this.Send batch
            })

        do! receiving
    }

    /// Waits for the head of the answer on a stream.
    member this.ReadHead(stream: int) : Task<Http2Frame> = task {
        let mutable head = None

        while head.IsNone do
            let! frame = this.Next()

            if frame.Kind = 1uy && frame.Stream = stream then
                head <- Some frame

        return head.Value
    }

    /// Sends a GET and waits for the head of its answer.
    member this.Get(stream: int) : Task = task {
        do! this.Send [ Http2Frame.get stream Http2Frame.endHeaders ]
        let! _ = this.ReadHead stream
        ()
    }

    interface IDisposable with
        member _.Dispose() = (client :> IDisposable).Dispose()
