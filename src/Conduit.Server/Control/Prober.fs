namespace Conduit.Server

open System
open System.Collections.Concurrent
open System.Diagnostics
open System.Net
open System.Net.Http
open System.Net.Sockets
open System.Threading
open System.Threading.Tasks
open Conduit

/// One health check. Nothing when it passed, else why it failed.
[<RequireQualifiedAccess>]
module HealthProbe =

    let private tcp (url: BackendUrl) (cancellation: CancellationToken) : Task<string option> = task {
        use socket = new Socket(SocketType.Stream, ProtocolType.Tcp)
        do! socket.ConnectAsync(url.Host.Trim('[', ']'), url.Port, cancellation)
        return None
    }

    let private http (invoker: HttpMessageInvoker) isHttp2 (url: BackendUrl) (path: string) cancellation =
        task {
            use request = new HttpRequestMessage(HttpMethod.Get, url.Plain + path)

            if isHttp2 then
                request.Version <- HttpVersion.Version20
                request.VersionPolicy <- HttpVersionPolicy.RequestVersionExact

            request.Headers.TryAddWithoutValidation("User-Agent", "conduit-health-check")
            |> ignore

            use! response = invoker.SendAsync(request, cancellation)
            let status = int response.StatusCode

            return
                if status >= 200 && status <= 399 then
                    None
                else
                    Some $"health check answered {status}"
        }

    /// Checks within `timeout`. Exceptions are failures of the check.
    let run
        invoker
        isHttp2
        (probe: Probe)
        (timeout: TimeSpan)
        (url: BackendUrl)
        (stopping: CancellationToken)
        = task {
        use limit = CancellationTokenSource.CreateLinkedTokenSource stopping
        limit.CancelAfter timeout

        try
            match probe with
            | Probe.Tcp -> return! tcp url limit.Token
            | Probe.Custom own ->
                let! why = own.Check(Uri(string url), limit.Token)
                return Option.ofObj why
            | Probe.Http path -> return! http invoker isHttp2 url path limit.Token
        with
        | :? OperationCanceledException ->
            return Some $"health check took longer than {Duration.format timeout}"
        | :? SocketException as error -> return Some $"health check: {error.SocketErrorCode}"
        | :? HttpRequestException as error -> return Some $"health check: {error.HttpRequestError}"
        // Whatever else happens, a check that ends without a verdict would be the backend's last.
        | error -> return Some $"health check: {error.GetType().Name}"
    }

/// Watches the health of backends: one check at once, then one each interval, spread by a tenth either
/// way so that checks do not march in step.
[<Sealed>]
type Prober(agent: Agent, log: Log, times: TimeHistogram, atOnce: int) =

    /// A new interval takes effect after so long at the latest, however long the one before is.
    static let longestPause = TimeSpan.FromSeconds 5.0

    let isHttp2 (upstream: Upstream) =
        upstream.Protocol.IsH2 || upstream.Protocol.IsH2c

    let invoker (struct (upstream: Upstream, scheme)) =
        let handler =
            new SocketsHttpHandler(
                AllowAutoRedirect = false,
                UseCookies = false,
                UseProxy = false,
                ActivityHeadersPropagator = null,
                // A check asks whether a new connection works.
                PooledConnectionLifetime = TimeSpan.Zero
            )

        if scheme = Scheme.Https then
            let connect = TlsConnect upstream.Tls
            handler.ConnectCallback <- if isHttp2 upstream then connect.Http2 else connect.Http1

        new HttpMessageInvoker(handler, disposeHandler = true)

    let invokers =
        ConcurrentDictionary<struct (Upstream * Scheme), HttpMessageInvoker>()

    let makeInvoker = Func<struct (Upstream * Scheme), HttpMessageInvoker> invoker

    /// How the backends of a pool are spoken to.
    let upstreamOf pool =
        match Snapshot.pool pool agent.Current with
        | ValueSome view -> view.Source.Settings.Upstream
        | ValueNone -> Upstream.defaults

    let begun = TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)

    /// How many checks may be under way at once.
    let places = new SemaphoreSlim(atOnce)

    let watched =
        ConcurrentDictionary<struct (PoolName * BackendId), CancellationTokenSource>()

    let check pool (settings: HealthCheck) (spec: BackendSpec) (stopping: CancellationToken) = task {
        do! places.WaitAsync(stopping)

        try
            let upstream = upstreamOf pool
            let invoker = invokers.GetOrAdd(struct (upstream, spec.Url.Scheme), makeInvoker)
            let began = Stopwatch.GetTimestamp()

            let! failure =
                HealthProbe.run invoker (isHttp2 upstream) settings.Probe settings.Timeout spec.Url stopping

            times.Record(Stopwatch.GetElapsedTime began)
            return failure
        finally
            places.Release() |> ignore
    }

    let report pool settings (spec: BackendSpec) (stopping: CancellationToken) : Task = task {
        let! failure = check pool settings spec stopping

        if not stopping.IsCancellationRequested then
            failure
            |> Option.iter (fun reason -> log.CheckFailed(BackendId.value spec.Id, reason))

            agent.Post(Event.InPool(pool, PoolEvent.Checked(spec.Id, failure)))
    }

    /// What is disabled is left alone. A backend that has just been added need not be in the snapshot yet.
    let isWatched pool id =
        match Snapshot.pool pool agent.Current with
        | ValueSome view -> view.Source.Backends |> Map.tryFind id |> Option.forall Backend.isWatched
        | ValueNone -> true

    /// Waits for the time of the next check, by the interval of the moment.
    let pause (settings: unit -> HealthCheck) (stopping: CancellationToken) : Task = task {
        let spread = 0.9 + 0.2 * Random.Shared.NextDouble()
        let clock = Stopwatch.StartNew()

        let left () =
            (settings ()).Interval * spread - clock.Elapsed

        while left () > TimeSpan.Zero do
            do! Task.Delay(min longestPause (max (TimeSpan.FromMilliseconds 1.0) (left ())), stopping)
    }

    let watch pool (spec: BackendSpec) (settings: unit -> HealthCheck) (stopping: CancellationToken) : Task =
        task {
            try
                do! begun.Task.WaitAsync stopping

                while not stopping.IsCancellationRequested do
                    let current = settings ()

                    if isWatched pool spec.Id then
                        do! report pool current spec stopping

                    do! pause settings stopping
            with :? OperationCanceledException ->
                ()
        }

    /// Lets the checks begin. Nothing is checked before: a program that cannot have its ports asks nothing
    /// of anybody.
    member _.Begin() = begun.TrySetResult() |> ignore

    /// Takes a backend of a pool under watch, by the pool's settings of the moment.
    member _.Watch(pool, spec: BackendSpec, settings) =
        let source = new CancellationTokenSource()

        if watched.TryAdd(struct (pool, spec.Id), source) then
            Task.Run(fun () -> watch pool spec settings source.Token) |> ignore

    /// Ends the checks of a backend. What a check does when it is cut off runs on another thread: the
    /// agent's, which calls this, must not wait for it.
    member _.Forget(pool, id) =
        match watched.TryRemove(struct (pool, id)) with
        | true, source -> source.CancelAsync() |> ignore
        | _ -> ()

    interface IDisposable with
        member _.Dispose() =
            for source in watched.Values do
                source.Cancel()

            for invoker in invokers.Values do
                invoker.Dispose()
