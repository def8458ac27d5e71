namespace Conduit.DashboardTests

open System
open System.Net.Http
open System.Threading
open System.Threading.Tasks

/// A steady load of one request after another, with a pause between, until it is disposed.
[<Sealed>]
type Traffic(url: string, pause: TimeSpan) =
    let client = new HttpClient(Timeout = TimeSpan.FromSeconds 10.0)
    let stopping = new CancellationTokenSource()

    let running: Task = task {
        while not stopping.IsCancellationRequested do
            try
                use! _ = client.GetAsync(url, stopping.Token)
                do! Task.Delay(pause, stopping.Token)
            with
            | :? HttpRequestException -> do! Task.Delay 20
            | :? OperationCanceledException -> ()
    }

    /// So many requests, one after another.
    static member Burst(url: string, count: int) : Task = task {
        use client = new HttpClient()

        for _ in 1..count do
            use! _ = client.GetAsync url
            ()
    }

    interface IAsyncDisposable with
        member _.DisposeAsync() =
            ValueTask(
                task {
                    stopping.Cancel()
                    do! running
                    client.Dispose()
                }
                :> Task
            )
