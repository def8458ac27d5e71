namespace Conduit.Server

open System
open System.Collections.Concurrent
open System.Collections.Generic
open System.Net.Http
open System.Text.Json
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Conduit

/// One backend in the answer of `/stats`; the names are those of the answer, and all but the last are
/// those of the system that it comes from.
type BackendStats = {
    url: string
    alive: bool
    uptime: string
    memory_usage: string
    conn_count: int
    recent: Wire.Recent
}

/// The memory that backends say they use, at `/health`: asked for when somebody wants to know, a few
/// at a time, and not again within some seconds.
[<Sealed>]
type MemoryUsage(now: unit -> Instant) =
    let invoker =
        new HttpMessageInvoker(
            new SocketsHttpHandler(AllowAutoRedirect = false, UseCookies = false, UseProxy = false),
            disposeHandler = true
        )

    let known = ConcurrentDictionary<BackendUrl, struct (Instant * int64)>()
    let patience = TimeSpan.FromSeconds 0.5
    let goodFor = TimeSpan.FromSeconds 5.0
    let largestAnswer = 64 * 1024
    let asking = new SemaphoreSlim(1)

    let read (url: BackendUrl) cancellation = task {
        use request = new HttpRequestMessage(HttpMethod.Get, $"{url}/health")
        use! response = invoker.SendAsync(request, cancellation)
        use content = response.Content
        do! content.LoadIntoBufferAsync(int64 largestAnswer, cancellation)
        use! stream = content.ReadAsStreamAsync cancellation
        use! document = JsonDocument.ParseAsync(stream, cancellationToken = cancellation)

        return
            match document.RootElement.ValueKind with
            | JsonValueKind.Object ->
                match document.RootElement.TryGetProperty "memory_usage" with
                | true, value when value.ValueKind = JsonValueKind.Number -> value.GetInt64()
                | _ -> 0L
            | _ -> 0L
    }

    let refresh (url: BackendUrl) cancellation = task {
        try
            let! memory = read url cancellation
            known[url] <- struct (now (), memory)
        with
        | :? HttpRequestException
        | :? OperationCanceledException
        | :? JsonException
        | :? FormatException -> known[url] <- struct (now (), 0L)
    }

    let refreshAll (urls: BackendUrl seq) : Task = task {
        let isOld url =
            match known.TryGetValue url with
            | true, struct (at, _) -> Instant.elapsed at (now ()) > goodFor
            | _ -> true

        let wanted = HashSet urls

        // Backends come and go while the program runs.
        for url in known.Keys do
            if not (wanted.Contains url) then
                known.TryRemove url |> ignore

        use limit = new CancellationTokenSource(patience)

        do!
            Parallel.ForEachAsync(
                Seq.filter isOld wanted,
                ParallelOptions(MaxDegreeOfParallelism = 8),
                fun url _ ->
                    // Those that there was no time to ask keep what they said last.
                    if limit.IsCancellationRequested then
                        ValueTask.CompletedTask
                    else
                        ValueTask(refresh url limit.Token :> Task)
            )
    }

    /// Bytes, or 0 where the backend does not say.
    member _.Of url =
        match known.TryGetValue url with
        | true, struct (_, memory) -> memory
        | _ -> 0L

    /// Asks those that were not asked lately, unless others are being asked, and forgets all others; takes
    /// half a second at most.
    member _.Refresh(urls: BackendUrl seq) : Task = task {
        if asking.Wait 0 then
            try
                do! refreshAll urls
            finally
                asking.Release() |> ignore
    }

    interface IDisposable with
        member _.Dispose() =
            invoker.Dispose()
            asking.Dispose()

/// What `/stats` answers, in the formats of the system that it comes from.
[<RequireQualifiedAccess>]
module Stats =

    /// `HHh:MMm:SSs`; the hours go on counting past 99.
    let uptime (span: TimeSpan) =
        sprintf "%02dh:%02dm:%02ds" (int span.TotalHours) span.Minutes span.Seconds

    /// `512 B`, `1.50 KB` or `3.25 MB`.
    let memory (bytes: int64) =
        if bytes < 1024L then
            sprintf "%d B" bytes
        elif bytes < 1024L * 1024L then
            sprintf "%.2f KB" (float bytes / 1024.0)
        else
            sprintf "%.2f MB" (float bytes / 1048576.0)

    let ofTarget now memoryOf (figures: LiveFigures) (target: Target) =
        let backend = target.Backend
        let alive = Backend.isAvailable backend

        {
            url = string backend.Spec.Url
            alive = alive
            uptime =
                uptime (
                    if alive then
                        Instant.elapsed backend.Since now
                    else
                        TimeSpan.Zero
                )
            memory_usage = memory (memoryOf backend.Spec.Url)
            conn_count = target.Gauge.InFlight
            recent = Recent.toWire (figures.Backend target)
        }

    /// The handler of `/stats`.
    let handle
        (agent: Agent)
        (figures: LiveFigures)
        (usage: MemoryUsage)
        (now: unit -> Instant)
        (http: HttpContext)
        : Task = task {
        let targets () =
            agent.Current.Pools |> Array.collect _.Targets

        do!
            targets ()
            |> Seq.filter (_.Backend >> Backend.isAvailable)
            |> Seq.map _.Backend.Spec.Url
            |> usage.Refresh

        do!
            http.Response.WriteAsJsonAsync(
                targets () |> Array.map (ofTarget (now ()) usage.Of figures),
                Wire.options
            )
    }
