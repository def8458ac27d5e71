namespace Conduit.Server.Demo

open System
open System.Net.Http
open System.Threading
open System.Threading.Tasks

/// A small steady load: so many clients, each asking, waiting for the answer, and pausing.
[<RequireQualifiedAccess>]
module Load =

    let private clients = 8
    let private pause = TimeSpan.FromMilliseconds 40.0

    let private ask (client: HttpClient) (url: string) (stopping: CancellationToken) : Task = task {
        try
            let! response = client.GetAsync(url, stopping)
            response.Dispose()
        with :? HttpRequestException ->
            ()
    }

    let private one client url (stopping: CancellationToken) : Task = task {
        try
            // Clients that start together would go on asking together.
            do! Task.Delay(pause * Random.Shared.NextDouble(), stopping)

            while not stopping.IsCancellationRequested do
                do! ask client url stopping
                do! Task.Delay(pause, stopping)
        with :? OperationCanceledException ->
            ()
    }

    /// Sends until `stopping` is cancelled.
    let run (url: string) (stopping: CancellationToken) : Task = task {
        use client = new HttpClient()
        do! Task.WhenAll [ for _ in 1..clients -> one client url stopping ]
    }
