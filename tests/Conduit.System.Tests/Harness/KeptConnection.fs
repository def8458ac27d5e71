namespace Conduit.SystemTests

open System
open System.Globalization
open System.Net
open System.Net.Sockets
open System.Text
open System.Threading.Tasks

/// How a request on a kept connection went, as the client's socket saw it.
[<RequireQualifiedAccess>]
type Exchange =
    /// A whole answer. `closing` when it said that the connection ends with it.
    | Answered of status: int * bodyLength: int * closing: bool
    /// The connection ended before the first byte of an answer.
    | Unanswered
    /// The connection ended within the answer.
    | Cut of received: int

/// An HTTP/1.1 client connection that hides nothing: no retry, no pool, one request at a time. Load
/// generators do not tell a broken answer from a refused connection; this does.
[<Sealed>]
type KeptConnection private (socket: Socket) =

    let buffer: byte[] = Array.zeroCreate 65536
    let endOfHead = "\r\n\r\n"B

    /// Bytes read, or 0 when the connection has ended, in whatever way.
    let receive (into: Memory<byte>) = task {
        try
            return! socket.ReceiveAsync into
        with :? SocketException ->
            return 0
    }

    let field (name: string) (head: string) =
        head.Split "\r\n"
        |> Array.tryPick (fun line ->
            match line.Split(':', 2) with
            | [| key; value |] when key.Equals(name, StringComparison.OrdinalIgnoreCase) ->
                Some(value.Trim())
            | _ -> None)

    let length head =
        match field "Content-Length" head with
        | Some value -> Int32.Parse(value, CultureInfo.InvariantCulture)
        | None -> failwith $"an answer without Content-Length:\n{head}"

    let closing head =
        field "Connection" head
        |> Option.exists (fun value -> value.Equals("close", StringComparison.OrdinalIgnoreCase))

    /// Reads on until the head is whole: the bytes received so far and where the head ends.
    let receiveHead () = task {
        let mutable received = 0
        let mutable head = -1
        let mutable ended = false

        while head < 0 && not ended do
            let! count = receive (buffer.AsMemory received)
            received <- received + count
            ended <- count = 0
            head <- buffer.AsSpan(0, received).IndexOf(endOfHead.AsSpan())

        return struct (received, head)
    }

    /// Reads the rest of a body: how many bytes came of it before the end of the connection.
    let receiveBody (already: int) (whole: int) = task {
        let mutable received = already
        let mutable ended = false

        while received < whole && not ended do
            let! count = receive (buffer.AsMemory(0, min buffer.Length (whole - received)))
            received <- received + count
            ended <- count = 0

        return received
    }

    /// A connection to the port of the loopback address, or nothing if it is refused.
    static member TryOpen(port: int) = task {
        let socket =
            new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp, NoDelay = true)

        try
            do! socket.ConnectAsync(IPEndPoint(IPAddress.Loopback, port))
            return Some(new KeptConnection(socket))
        with :? SocketException ->
            socket.Dispose()
            return None
    }

    /// The same where it must not be refused.
    static member Open(port: int) : Task<KeptConnection> = task {
        match! KeptConnection.TryOpen port with
        | Some connection -> return connection
        | None -> return failwith $"nothing accepts connections on port {port}"
    }

    /// Sends a GET and reads the answer to its last byte.
    member _.Get(target: string) = task {
        let request =
            Encoding.ASCII.GetBytes $"GET {target} HTTP/1.1\r\nHost: system.test\r\n\r\n"

        try
            let! _ = socket.SendAsync(request.AsMemory())
            ()
        with :? SocketException ->
            // What the server said before it closed can still be read.
            ()

        let! struct (received, head) = receiveHead ()

        if head < 0 then
            return
                if received = 0 then
                    Exchange.Unanswered
                else
                    Exchange.Cut received
        else
            let text = Encoding.Latin1.GetString(buffer, 0, head)
            let start = head + endOfHead.Length
            let whole = length text
            let! body = receiveBody (received - start) whole

            if body < whole then
                return Exchange.Cut(start + body)
            else
                return Exchange.Answered(int (text.Substring(9, 3)), body, closing text)
    }

    interface IDisposable with
        member _.Dispose() = socket.Dispose()
