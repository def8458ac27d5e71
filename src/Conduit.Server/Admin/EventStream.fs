namespace Conduit.Server

open System
open System.Runtime.CompilerServices
open System.Text.Json
open System.Threading
open System.Threading.Channels
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Conduit

/// How the stream of events goes.
type EventStreamSettings = {
    /// A comment is sent when nothing happened for so long, so that both ends know of each other.
    Heartbeat: TimeSpan
    /// Events that wait for a slow client. The oldest give way to new ones, and the client is told how
    /// many did.
    Capacity: int
}

/// `GET /api/v1/events`: server-sent events.
[<RequireQualifiedAccess>]
module EventStream =

    let settings = {
        Heartbeat = TimeSpan.FromSeconds 15.0
        Capacity = 256
    }

    let private write (http: HttpContext) (text: string) : Task = task {
        do! http.Response.WriteAsync(text, http.RequestAborted)
        do! http.Response.Body.FlushAsync http.RequestAborted
    }

    let private frame (number: int64 option) (event: Wire.Event) =
        let id =
            match number with
            | Some number -> $"id: {number}\n"
            | None -> ""

        let data = JsonSerializer.Serialize(event, Wire.options)
        $"{id}event: {event.Type}\ndata: {data}\n\n"

    /// Sends events until the client leaves or `stopping` is cancelled.
    let serve (ports: ControlPorts) settings (stopping: CancellationToken) (http: HttpContext) : Task = task {
        let dropped = StrongBox 0

        let waiting =
            Channel.CreateBounded<NumberedEvent>(
                BoundedChannelOptions(
                    settings.Capacity,
                    FullMode = BoundedChannelFullMode.DropOldest,
                    SingleReader = true
                ),
                fun _ -> Interlocked.Increment &dropped.Value |> ignore
            )

        use _ = ports.Events.Subscribe(waiting.Writer.TryWrite >> ignore)

        use over =
            CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping)

        http.Response.ContentType <- "text/event-stream"
        do! write http ": conduit events\n\n"
        let mutable next = waiting.Reader.WaitToReadAsync(over.Token).AsTask()

        try
            while not over.IsCancellationRequested do
                try
                    let! _ = next.WaitAsync(settings.Heartbeat, over.Token)

                    match Interlocked.Exchange(&dropped.Value, 0) with
                    | 0 -> ()
                    | count -> do! write http (frame None (Views.dropped (ports.Clock.GetUtcNow()) count))

                    match waiting.Reader.TryRead() with
                    | true, event -> do! write http (frame (Some event.Number) (Views.event event))
                    | _ -> ()

                    next <- waiting.Reader.WaitToReadAsync(over.Token).AsTask()
                with :? TimeoutException ->
                    do! write http ": still here\n\n"
        with :? OperationCanceledException ->
            ()
    }
