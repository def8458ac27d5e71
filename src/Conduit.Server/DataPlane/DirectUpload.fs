namespace Conduit.Server

open System
open System.Buffers
open System.IO.Pipelines
open System.Text
open System.Threading.Tasks
open Conduit.Transport

/// The client's body on its way to the backend, while the response may already be coming back: read as
/// the backend takes it, never kept.
[<Sealed>]
type DirectUpload(exchange: Exchange, passage: Passage, isChunked: bool, response: TimeSpan) =

    /// So much of a body at most goes out together with the head, in bytes.
    let mostWithHead = 16L * 1024L

    let reader = exchange.Http.Request.BodyReader
    let mutable relaying: Task = Task.CompletedTask

    [<VolatileField>]
    let mutable stopped = false

    let sendChunk (connection: BackendConnection) (data: ReadOnlyMemory<byte>) : Task = task {
        if isChunked then
            do! connection.SendAsync(Encoding.ASCII.GetBytes(data.Length.ToString "x" + "\r\n"))
            do! connection.SendAsync data
            do! connection.SendAsync "\r\n"B
        else
            do! connection.SendAsync data
    }

    let send (connection: BackendConnection) (body: ReadOnlySequence<byte>) : Task = task {
        let mutable position = body.Start
        let mutable segment = ReadOnlyMemory<byte>.Empty

        while body.TryGet(&position, &segment) do
            if not segment.IsEmpty then
                do! sendChunk connection segment
    }

    /// Whether bytes were taken from the client.
    member val Spent = false with get, set

    /// Whether all of the body has been sent.
    member val IsComplete = false with get, set

    /// What went wrong on the client's side.
    member val ClientFault: exn option = None with get, set

    /// Whether the backend took no more.
    member val IsRefused = false with get, set

    /// Set when the response has begun: from then on the phase is the response's.
    member val IsAnswered = false with get, set

    /// Puts what is there of the body behind the head that is being written, so that both are sent at once,
    /// and a body that is wrong from its beginning on never reaches a backend.
    member this.AddTo(head: HeadWriter) =
        let mutable read = ReadResult()

        let hasRead =
            try
                reader.TryRead &read
            with error ->
                this.ClientFault <- Some error
                raise error

        if hasRead then
            let body = read.Buffer

            if body.Length > mostWithHead then
                reader.AdvanceTo body.Start
            else
                if isChunked && not body.IsEmpty then
                    head.Text((body.Length.ToString "x") + "\r\n")

                head.Body body

                if isChunked && not body.IsEmpty then
                    head.Text "\r\n"

                if isChunked && read.IsCompleted then
                    head.Text(RequestTrailers.lastChunk passage exchange.Http)

                this.Spent <- not body.IsEmpty
                exchange.Record.Received <- body.Length
                this.IsComplete <- read.IsCompleted
                reader.AdvanceTo body.End

    member private this.Waits phase =
        if not this.IsAnswered then
            exchange.Phase <- phase

    /// A client that still sends beside the response is held to what it takes of that.
    member private this.AwaitClient() =
        if this.IsAnswered then
            exchange.Progress()
        else
            exchange.AwaitClient Phase.ReadingClient

    member private this.ClientMoved() =
        if not this.IsAnswered then
            exchange.ClientMoved()

    member private this.Read() : Task<ReadResult> = task {
        try
            return! reader.ReadAsync()
        with error ->
            this.ClientFault <- Some error
            return raise error
    }

    member private this.Relay(connection: BackendConnection) : Task = task {
        let mutable going = true

        while going && not stopped do
            this.AwaitClient()
            let! read = this.Read()
            let buffer = read.Buffer

            if read.IsCanceled then
                reader.AdvanceTo buffer.Start
                going <- false
            else
                if not buffer.IsEmpty then
                    this.Spent <- true
                    exchange.Record.Received <- exchange.Record.Received + buffer.Length

                this.ClientMoved()
                exchange.Progress()
                this.Waits Phase.WritingBackend

                try
                    do! send connection buffer
                finally
                    // Also when the backend takes no more: the client's connection may go on.
                    reader.AdvanceTo buffer.End

                if read.IsCompleted then
                    if isChunked then
                        let last = RequestTrailers.lastChunk passage exchange.Http
                        do! connection.SendAsync(Encoding.Latin1.GetBytes last)

                    this.IsComplete <- true
                    going <- false

        if this.IsComplete && not this.IsAnswered then
            // From here on the backend's answer is what takes time.
            exchange.Phase <- Phase.AwaitingHead
            exchange.Arm response
    }

    /// Relays the body and throws nothing. A client that fails ends the exchange; a backend that takes no
    /// more may still answer, and has the response's time for it.
    member private this.Run(connection: BackendConnection) : Task = task {
        try
            do! this.Relay connection
        with
        | :? BackendFaultException ->
            this.IsRefused <- true

            if not this.IsAnswered then
                exchange.Phase <- Phase.AwaitingHead
                exchange.Arm response
        | _ -> connection.Abort()
    }

    /// Begins to relay what is left.
    member this.Start(connection: BackendConnection) =
        if not this.IsComplete then
            relaying <- this.Run connection

    /// Whether it has begun, and perhaps ended.
    member _.IsStarted = not (obj.ReferenceEquals(relaying, Task.CompletedTask))

    /// Ends when nothing is read from the client any more.
    member _.Stop() : Task =
        if relaying.IsCompleted then
            Task.CompletedTask
        else
            stopped <- true
            reader.CancelPendingRead()
            relaying
