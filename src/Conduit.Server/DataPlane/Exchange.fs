namespace Conduit.Server

open System
open System.Diagnostics
open System.Net
open System.Threading
open Microsoft.AspNetCore.Connections.Features
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Conduit
open Conduit.Transport

/// What the exchange waits for: when time runs out, or a stream breaks, it tells whose fault it is.
type Phase =
    | ReadingClient = 0
    | WritingBackend = 1
    | AwaitingHead = 2
    | ReadingBackend = 3
    | WritingClient = 4

/// Whether an answer with this status and this Retry-After is not to be relayed, because another try follows;
/// then how long the backend wants to be left alone before it.
type DeclineAnswer = delegate of status: int * retryAfter: (string | null) -> TimeSpan voption

/// IMPURE: what one client connection, or one stream of HTTP/2, needs to serve its requests one after
/// another. Kestrel keeps it with them, so a request costs no new context, timer, token or address text.
[<Sealed>]
type Exchange(lifetime: Lifetime, deadlines: Deadlines, hsts: unit -> string | null) as this =

    let http = DefaultHttpContext()
    /// Held where a try ends and where it is ended from outside, so that the next one is never hit.
    let gate = obj ()
    let mutable source = new CancellationTokenSource()
    /// In milliseconds of the system's tick count; 0 for none.
    let mutable deadline = 0L
    let mutable idle = 0L
    /// When the try began and when the head of its answer came, by Stopwatch's clock; 0 for not yet.
    let mutable triedAt = 0L
    let mutable headAt = 0L
    let mutable connection: BackendConnection | null = null
    let mutable keptBody: KeptBody | null = null
    let mutable isWatched = false
    /// Streams come and go while their connection stays: what a request watches ends with it.
    let mutable isStream = false
    let mutable leaving = Unchecked.defaultof<CancellationTokenRegistration>
    let mutable clientAddress: IPAddress | null = null
    let mutable clientText = ""

    [<VolatileField>]
    let mutable clientGone = false

    let abortConnection =
        Action<obj | null>(fun _ ->
            lock gate (fun () ->
                match connection with
                | null -> ()
                | connection -> connection.Abort()))

    let clientLeft =
        Action<obj | null>(fun _ ->
            deadlines.Forget this

            lock gate (fun () ->
                clientGone <- true
                source.Cancel()))

    let begun () =
        source.Token.UnsafeRegister(abortConnection, null) |> ignore

    do begun ()

    member _.Http = http

    /// What a forwarder keeps for the requests to come.
    member val Kept: obj | null = null with get, set

    /// What is noted of the request that is being served.
    member val Record = RequestRecord()

    /// Where the request stands that is being served.
    member val Journey = Journey()

    member _.Lifetime = lifetime
    member val Phase = Phase.AwaitingHead with get, set

    member _.Begin(features: IFeatureCollection) =
        http.Initialize features

        if not isWatched then
            isWatched <- true
            deadlines.Watch this
            isStream <- HttpProtocol.IsHttp2 http.Request.Protocol

            if isStream then
                clientGone <- false
                leaving <- http.RequestAborted.UnsafeRegister(clientLeft, null)
            else
                match features.Get<IConnectionLifetimeFeature>() with
                | null -> ()
                | feature -> feature.ConnectionClosed.UnsafeRegister(clientLeft, null) |> ignore

    member _.End() =
        if isStream then
            // After this the client that left is not that of the next request.
            leaving.Dispose()
            deadlines.Forget this
            isWatched <- false

        http.Uninitialize()

    /// Whether the request is one of several on its connection, which none of them may end.
    member _.IsStream = isStream

    /// What the response says in `Strict-Transport-Security`; null for nothing.
    member _.StrictTransport: string | null =
        if http.Request.IsHttps then hsts () else null

    /// Cancelled when the client leaves or the time of the current phase is over.
    member _.Token = source.Token

    /// Whether the client is gone.
    member _.ClientGone = clientGone || http.RequestAborted.IsCancellationRequested

    /// The client's address as text; an IPv4 address that came in by IPv6 is shown as IPv4.
    member _.ClientText =
        let address = http.Connection.RemoteIpAddress

        if not (obj.ReferenceEquals(address, clientAddress)) then
            clientAddress <- address

            clientText <-
                match address with
                | null -> "unknown"
                | address when address.IsIPv4MappedToIPv6 -> address.MapToIPv4().ToString()
                | address -> address.ToString()

        clientText

    /// The request's body where it is kept for further tries.
    member _.KeptBody = keptBody

    /// Keeps the request's body until `Release`.
    member _.Keep(body: KeptBody) = keptBody <- body

    member _.Release() =
        match keptBody with
        | null -> ()
        | body ->
            keptBody <- null
            body.Release()

    /// What decides on answers that are not to be relayed; null where all are.
    member val Answers: DeclineAnswer | null = null with get, set

    /// The status of the try's answer where it was declined; 0 where it was not.
    member val Declined = 0 with get, set

    /// How long the backend whose answer was declined wants to be left alone.
    member val RetryAfter = TimeSpan.Zero with get, set

    /// Whether an answer is not relayed because another try follows. `isSpent`: bytes of the body were taken
    /// from the client.
    member this.Declines(status, retryAfter: string | null, isSpent) =
        match this.Answers with
        | null -> false
        | _ when isSpent && isNull keptBody -> false
        | answers ->
            match answers.Invoke(status, retryAfter) with
            | ValueSome pause ->
                this.Declined <- status
                this.RetryAfter <- pause
                true
            | ValueNone -> false

    /// Makes the token one that is not cancelled, unless the client is gone.
    member _.Renew() =
        if source.IsCancellationRequested then
            lock gate (fun () ->
                if not clientGone then
                    source <- new CancellationTokenSource()
                    begun ())

    /// Starts the clock of a try.
    member this.BeginTry(timeouts: Timeouts) =
        this.Renew()
        this.Declined <- 0
        idle <- int64 timeouts.Idle.TotalMilliseconds
        this.Phase <- Phase.AwaitingHead
        triedAt <- Stopwatch.GetTimestamp()
        headAt <- 0L
        this.Arm timeouts.Response

    /// The head of the try's answer is there.
    member _.HeadArrived() = headAt <- Stopwatch.GetTimestamp()

    /// How long the head of the last try's answer took; nothing where there was none. What comes after it goes
    /// by the client, too.
    member _.TimeToHead: TimeSpan voption =
        if headAt = 0L then
            ValueNone
        else
            ValueSome(Stopwatch.GetElapsedTime(triedAt, headAt))

    /// Makes a connection end with the try's time, or when the client leaves.
    member _.Hold(held: BackendConnection) =
        lock gate (fun () ->
            connection <- held

            if source.IsCancellationRequested then
                held.Abort())

    /// Nothing from outside ends the connection any more.
    member _.LetGo() =
        lock gate (fun () -> connection <- null)

    /// Stops the clock of a try.
    member _.EndTry() = lock gate (fun () -> deadline <- 0L)

    /// Ends what still waits in the current try.
    member _.Cancel() = source.Cancel()

    /// Gives the current phase so long from now.
    member _.Arm(time: TimeSpan) =
        Volatile.Write(&deadline, Environment.TickCount64 + int64 time.TotalMilliseconds)

    /// Notes progress on a body, or its beginning.
    member _.Progress() =
        Volatile.Write(&deadline, Environment.TickCount64 + idle)

    interface IExpiring with
        member val Place = 0 with get, set

        member _.Expire now =
            let isOver () =
                let deadline = Volatile.Read &deadline
                deadline <> 0L && now >= deadline

            if isOver () then
                lock gate (fun () ->
                    if isOver () then
                        deadline <- 0L
                        source.Cancel())
