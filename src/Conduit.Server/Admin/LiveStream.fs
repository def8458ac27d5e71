namespace Conduit.Server

open System
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Conduit

/// How the live figures are sent.
type LiveStreamSettings = {
    /// From one frame to the next.
    Period: TimeSpan
    /// Streams that may be open at once.
    Most: int
}

/// IMPURE: makes a frame of figures each period while anybody watches, and none while nobody does. There
/// is one newest frame and no queue: who is slow skips to the newest.
[<Sealed>]
type LiveBroadcast(settings: LiveStreamSettings, clock: TimeProvider, read: unit -> Wire.Live) =
    let gate = obj ()
    let mutable watchers = 0
    let mutable newest: LiveFrame option = None
    let mutable ending = new CancellationTokenSource()

    let fresh () =
        TaskCompletionSource<LiveFrame> TaskCreationOptions.RunContinuationsAsynchronously

    let mutable coming = fresh ()

    let publish (over: CancellationToken) =
        lock gate (fun () ->
            if not over.IsCancellationRequested then
                let frame = LiveFrame.next newest (read ())
                let waiting = coming
                newest <- Some frame
                coming <- fresh ()
                waiting.SetResult frame)

    /// Who waits is told of a defect, and the next step starts anew.
    let fail (error: exn) =
        lock gate (fun () ->
            let waiting = coming
            coming <- fresh ()
            waiting.SetException error)

    let run (over: CancellationToken) : Task = task {
        try
            while true do
                try
                    publish over
                with error ->
                    fail error

                do! Task.Delay(settings.Period, clock, over)
        with :? OperationCanceledException ->
            ()
    }

    let leave () =
        lock gate (fun () ->
            watchers <- watchers - 1

            if watchers = 0 then
                ending.Cancel()
                newest <- None)

    member _.Settings = settings

    /// The newest frame, if its number is above the one given; else the one that comes next.
    member _.After(seen: int64) : Task<LiveFrame> =
        lock gate (fun () ->
            match newest with
            | Some frame when frame.Number > seen -> Task.FromResult frame
            | _ -> coming.Task)

    /// Frames are made until it is disposed, once. Nothing when as many watch as may.
    member _.Join() : IDisposable option =
        lock gate (fun () ->
            if watchers >= settings.Most then
                None
            else
                watchers <- watchers + 1

                if watchers = 1 then
                    ending <- new CancellationTokenSource()
                    run ending.Token |> ignore

                Some
                    {
                        new IDisposable with
                            member _.Dispose() = leave ()
                    })

/// `GET /api/v1/live`: the figures of all backends as server-sent events.
[<RequireQualifiedAccess>]
module LiveStream =

    let settings = {
        Period = TimeSpan.FromSeconds 1.0
        Most = 256
    }

    let private send (broadcast: LiveBroadcast) (http: HttpContext) (over: CancellationToken) : Task = task {
        let mutable seen = -1L
        http.Response.ContentType <- "text/event-stream"

        while not over.IsCancellationRequested do
            let! frame = broadcast.After(seen).WaitAsync over
            do! http.Response.Body.WriteAsync(ReadOnlyMemory(LiveFrame.since seen frame), over)
            do! http.Response.Body.FlushAsync over
            seen <- frame.Number
    }

    /// Sends frames until the client leaves or `stopping` is cancelled.
    let serve (broadcast: LiveBroadcast) (stopping: CancellationToken) (http: HttpContext) : Task = task {
        match broadcast.Join() with
        | None -> do! Problem.send http (Problem.TooManyStreams broadcast.Settings.Most)
        | Some place ->
            use _ = place

            use over =
                CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping)

            try
                do! send broadcast http over.Token
            with :? OperationCanceledException ->
                ()
    }
