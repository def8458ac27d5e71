namespace Conduit.Server

open System
open System.IO
open System.IO.Pipelines
open System.Net
open System.Net.Http
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Http

/// The client's body on its way to the backend: read as the backend takes it, never kept. Says
/// afterwards whether any of it was read, and whether reading it failed, because only then a try may
/// be repeated or the client be blamed. `length` is in bytes, and null where only the end will tell.
[<Sealed>]
type RequestBody(exchange: Exchange, length: Nullable<int64>, response: TimeSpan) =
    inherit HttpContent()

    static let cancelRead =
        Action<obj | null>(fun reader ->
            match reader with
            | :? PipeReader as reader -> reader.CancelPendingRead()
            | _ -> ())

    /// Sends the head ahead of a body that lets wait for itself, which HttpClient would keep for its first bytes: a
    /// backend may have something to say before them, and a client wait for that.
    static let sendHead
        (stream: Stream)
        (reader: PipeReader)
        (reading: Task<ReadResult>)
        cancellation
        : Task = task {
        try
            do! stream.FlushAsync cancellation
        with error ->
            // Nothing may go on reading when the try is over.
            reader.CancelPendingRead()
            let! read = reading
            reader.AdvanceTo read.Buffer.Start
            raise error
    }

    let request = exchange.Http.Request

    let gate = obj ()
    let mutable relaying: Task = Task.CompletedTask
    let mutable closed = false

    /// Whether bytes were taken from the client.
    member val Spent = false with get, set

    /// Set when the response has begun: from then on the phase is the response's.
    member val IsAnswered = false with get, set

    /// What went wrong on the client's side.
    member val ClientFault: exn option = None with get, set

    override _.TryComputeLength(known: byref<int64>) =
        if length.HasValue then
            known <- length.Value

        length.HasValue

    override this.SerializeToStreamAsync(stream: Stream, _: TransportContext | null) : Task =
        this.SerializeToStreamAsync(stream, null, CancellationToken.None)

    override this.SerializeToStreamAsync(stream, _, cancellation) : Task =
        if length.Equals(Nullable 0L) then
            Task.CompletedTask
        else
            lock gate (fun () ->
                if closed || this.Spent then
                    // Also where HttpClient would repeat the request by itself: the body is gone.
                    Task.FromException(IOException "the request is over")
                else
                    relaying <- this.Relay(stream, cancellation)
                    relaying)

    /// Waits until nothing is read from the client any more, and nothing will be: HttpClient may be done
    /// with the request before the body has ended, and even before it has begun (after `100 Continue`
    /// it begins on a thread of its own). Then somebody else must be able to read the rest.
    member _.Close() : Task =
        lock gate (fun () -> closed <- true)

        if relaying.IsCompleted then
            Task.CompletedTask
        else
            exchange.Cancel()

            relaying.ContinueWith(
                (fun (ended: Task) -> ended.Exception |> ignore),
                CancellationToken.None,
                TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default
            )

    member private this.Waits phase =
        if not this.IsAnswered then
            exchange.Phase <- phase

    member private this.Relay(stream: Stream, cancellation: CancellationToken) : Task = task {
        let reader = request.BodyReader
        // A read that a token cancels would leave Kestrel unable to read the rest.
        use _ = cancellation.UnsafeRegister(cancelRead, reader)
        let mutable going = true
        let mutable isBegun = false
        exchange.Progress()

        while going do
            if this.IsAnswered then
                exchange.Progress()
            else
                exchange.AwaitClient Phase.ReadingClient

            let reading: Task<ReadResult> = task { return! reader.ReadAsync() }

            if not (isBegun || reading.IsCompleted) then
                do! sendHead stream reader reading cancellation

            isBegun <- true

            let! read = task {
                try
                    return! reading
                with error ->
                    this.ClientFault <- Some error
                    return raise error
            }

            let buffer = read.Buffer

            if read.IsCanceled then
                reader.AdvanceTo buffer.Start
                raise (OperationCanceledException cancellation)

            if not buffer.IsEmpty then
                this.Spent <- true
                exchange.Record.Received <- exchange.Record.Received + buffer.Length

            if not this.IsAnswered then
                exchange.ClientMoved()

            exchange.Progress()
            this.Waits Phase.WritingBackend

            try
                let mutable position = buffer.Start
                let mutable segment = ReadOnlyMemory<byte>.Empty

                while buffer.TryGet(&position, &segment) do
                    do! stream.WriteAsync(segment, cancellation)
            finally
                // Also when the backend takes no more: the client's connection may go on.
                reader.AdvanceTo buffer.End

            going <- not read.IsCompleted

            if going then
                do! stream.FlushAsync cancellation

            exchange.Progress()

        if not this.IsAnswered then
            // From here on the backend's answer is what takes time.
            exchange.Phase <- Phase.AwaitingHead
            exchange.Arm response
    }
