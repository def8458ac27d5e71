module Conduit.Server.Tests.HeadLimitTests

open System
open System.Text
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

let private limits = {
    Line = 300
    Fields = 2000
    Count = 10
}

let private settings (settings: Settings) =
    Balancers.withAdmin { settings with Heads = limits }

let private answer = Script.always (Script.ok "fine")

/// What the metrics say of heads that were refused for this reason.
let private counted (running: Running) reason = task {
    let! series = Metrics.read running.AdminUrl

    return int (Metrics.sum "lb_rejected_requests_total" [ "pool", "none"; "reason", reason ] series)
}

let private x count = String('x', count)

/// A request whose first line has so many bytes, with so many more fields of so many bytes in all.
let private request line fields bytes =
    let target = "/" + x (line - "GET / HTTP/1.1\r\n".Length)

    let field index =
        let bytes = if index = 1 then bytes - 10 * (fields - 1) else 10
        $"X{index:D2}: {x (bytes - 7)}\r\n"

    $"GET {target} HTTP/1.1\r\nHost: a\r\n"
    + String.concat "" [ for index in 1..fields -> field index ]
    + "\r\n"

[<Fact>]
let ``Heads that are too large are answered 414 and 431, and counted`` () =
    Balancers.withOneAnd settings answer (fun backend running -> task {
        let inHost = "Host: a\r\n".Length

        for text, status in
            [
                request 300 1 20, 200
                request 301 1 20, 414
                // Kestrel would not take that many either.
                request 5000 1 20, 414
                request 100 1 (2000 - inHost - 2), 200
                request 100 1 (2001 - inHost), 431
                request 100 1 9000, 431
                request 100 9 90, 200
                request 100 10 100, 431
                "GET / HTTP/1.1\r\nno colon\r\n\r\n", 400
            ] do
            use! client = running.Connect()
            do! client.Send text
            let! response = client.ReadResponse()
            Assert.Equal((text.Length, status), (text.Length, Message.status response))

            if status <> 200 then
                Assert.Equal(Some "close", Message.value "Connection" response)
                let! rest, _ = client.Wire.ReadToEnd()
                Assert.Empty rest

        Assert.Equal(3, backend.Requests.Length)

        for reason, count in [ "line_too_long", 2; "head_too_large", 3; "malformed", 1; "head_too_slow", 0 ] do
            let! found = counted running reason
            Assert.Equal((reason, count), (reason, found))
    })

/// HTTP/2, frame by frame.
[<RequireQualifiedAccess>]
module private Frames =

    let frame (kind: byte) (flags: byte) (stream: byte) (payload: byte[]) =
        let length = payload.Length

        Array.append
            [|
                byte (length >>> 16)
                byte (length >>> 8)
                byte length
                kind
                flags
                0uy
                0uy
                0uy
                stream
            |]
            payload

    /// A number after the bits of its first byte that are taken.
    let private number (first: byte) most (value: int) = [|
        if value < most then
            first ||| byte value
        else
            first ||| byte most
            let mutable rest = value - most

            while rest >= 128 do
                byte (rest % 128 + 128)
                rest <- rest / 128

            byte rest
    |]

    let private text (value: string) =
        Array.append (number 0uy 127 value.Length) (Encoding.Latin1.GetBytes value)

    /// A field that no table shall keep.
    let private field (name: string, value: string) =
        Array.concat [ [| 0uy |]; text name; text value ]

    /// The preface, and one request.
    let request (target: string) (fields: (string * string) list) =
        let block =
            [ ":method", "GET"; ":scheme", "http"; ":authority", "a"; ":path", target ]
            @ fields
            |> List.map field
            |> Array.concat

        let chunks = block |> Array.chunkBySize 16_384
        let last = chunks.Length - 1

        Array.concat [
            Encoding.ASCII.GetBytes "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            frame 4uy 0uy 0uy [||]
            for index in 0..last do
                let isFirst, isLast = index = 0, index = last
                let flags = (if isFirst then 1uy else 0uy) ||| (if isLast then 4uy else 0uy)
                frame (if isFirst then 1uy else 9uy) flags 1uy chunks[index]
        ]

    /// The status of the answer on the first stream; 0 where the stream or the connection is given up.
    let readStatus (client: RawClient) : Task<int> = task {
        let mutable status = None

        while status.IsNone do
            let! head = client.Wire.ReadExactly 9
            let length = (int head[0] <<< 16) + (int head[1] <<< 8) + int head[2]
            let! payload = client.Wire.ReadExactly length

            match head[3] with
            // One byte for 200; else the digits stand behind the index of the name and their number.
            | 1uy when payload[0] = 0x88uy -> status <- Some 200
            | 1uy -> status <- Some(int (Encoding.ASCII.GetString(payload, 2, 3)))
            | 3uy
            | 7uy -> status <- Some 0
            | _ -> ()

        return status.Value
    }

[<Fact>]
let ``With HTTP/2 the limits are the same`` () =
    Balancers.withOneAnd settings answer (fun backend running -> task {
        let target length =
            "/" + x (length - "GET / HTTP/1.1\r\n".Length)

        let fields count = [ for index in 1..count -> $"x{index}", "y" ]

        for target, fields, status in
            [
                target 300, [], 200
                target 301, [], 414
                target 1900, [], 414
                // Names and values count, those of the request line among them.
                "/", [ "x", x 1900 ], 200
                "/", [ "x", x 2000 ], 431
                "/", [ "x", x 3900 ], 431
                target 2500, [], 431
                "/", fields 6, 200
                "/", fields 7, 431
                // Of more than twice as much the end is not waited for.
                "/", fields 20, 0
                "/", [ "x", x 20_000 ], 0
            ] do
            use! client = running.Connect()
            do! client.Send(Frames.request target fields)
            let! found = Frames.readStatus client
            Assert.Equal((target.Length, fields, status), (target.Length, fields, found))

        Assert.Equal(3, backend.Requests.Length)

        for reason, count in [ "line_too_long", 2; "head_too_large", 4 ] do
            let! found = counted running reason
            Assert.Equal((reason, count), (reason, found))
    })
