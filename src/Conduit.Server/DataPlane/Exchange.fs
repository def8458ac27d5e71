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

/// IMPURE: what one client connection, or one stream of HTTP/2 or HTTP/3, needs to serve its requests one after
/// another. Kestrel keeps it with them, so a request costs no new context, timer, token or address text.
[<Sealed>]
type Exchange(lifetime: Lifetime, deadlines: Deadlines, entry: unit -> Conduit.Server.Entry) as this =

    /// What a client gets for the end of an answer that nobody can see it take, in milliseconds.
    static let unseen = 300_000L

    let http = DefaultHttpContext()
    /// Held where a try ends and where it is ended from outside, so that the next one is never hit.
    let gate = obj ()
    let mutable source = new CancellationTokenSource()
    /// In milliseconds of the system's tick count; 0 for none.
    let mutable deadline = 0L
    /// When the time of the request as a whole is over.
    let mutable finalDeadline = Int64.MaxValue
    let mutable isOverdue = false
    /// What was waited for when the time was over.
    let mutable endedIn: Phase voption = ValueNone
    let mutable idle = 0L
    let mutable limits = ClientLimits.any
    /// What the client has left when it is waited for, in milliseconds; see ClientLimits.
    let mutable left = 0L
    let mutable waitingSince = 0L
    /// Bytes both ways that `left` accounts for.
    let mutable accounted = 0L
    /// Bytes that the client had acknowledged when it was last looked at; -1 for not yet.
    let mutable acknowledged = -1L
    /// The request has been served, and what is left of its answer is on its way.
    let mutable isEnding = false
    /// When the try began, by Stopwatch's clock.
    let mutable triedAt = 0L
    let mutable connection: BackendConnection | null = null
    let mutable keptBody: KeptBody | null = null
    let mutable isWatched = false
    /// Streams come and go while their connection stays: what a request watches ends with it.
    let mutable isStream = false
    let mutable mustFlush = false
    /// Whether it can be told what the client has received.
    let mutable isTold = false
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

    let beginPatience time =
        limits <- entry().Clients
        idle <- time
        left <- ClientLimits.grace limits idle
        acknowledged <- -1L

    let setDeadline time =
        Volatile.Write(&deadline, min time finalDeadline)

    /// Whether a client that takes a response has moved enough since the last look to be waited for on. The first
    /// look only learns how far it is.
    let takes seen now =
        let far = if isTold then Delivery.acknowledged http.Features else -1L

        if far < 0L then
            false
        elif far = acknowledged && now - waitingSince >= idle then
            false
        else
            left <-
                if acknowledged < 0L then
                    ClientLimits.grace limits idle
                else
                    ClientLimits.left limits idle left (now - waitingSince) (far - acknowledged)

            acknowledged <- far
            waitingSince <- now
            // Where the wait is over by now, the deadline is another one.
            left > 0L
            && now < finalDeadline
            && Interlocked.CompareExchange(&deadline, min (now + min idle left) finalDeadline, seen) = seen

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
            mustFlush <- HttpProtocol.IsHttp3 http.Request.Protocol
            isStream <- mustFlush || HttpProtocol.IsHttp2 http.Request.Protocol
            isTold <- not isStream && Delivery.acknowledged features >= 0L

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

        if isEnding && isTold then
            // Whoever looks at how far the client is has to be through with this request.
            lock gate (fun () -> Volatile.Write(&deadline, 0L))
        elif Interlocked.Exchange(&deadline, 0L) = 0L && isEnding then
            // Its time was over just now: whoever ends it has to be through with this request.
            lock gate ignore

        isEnding <- false
        http.Uninitialize()

    /// Whether the request is one of several on its connection, which none of them may end.
    member _.IsStream = isStream

    /// Whether Kestrel would lose what of the body is not flushed when the response ends.
    member _.MustFlush = mustFlush

    /// What the response says in `Strict-Transport-Security`; null for nothing.
    member _.StrictTransport: string | null =
        if http.Request.IsHttps then entry().Hsts else null

    /// What the response says in `Alt-Svc`; null for nothing.
    member _.AlternativeService: string | null =
        if http.Request.IsHttps then
            entry().AlternativeService
        else
            null

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
        beginPatience (int64 timeouts.Idle.TotalMilliseconds)
        accounted <- this.Record.Received + this.Record.Sent
        isOverdue <- false
        endedIn <- ValueNone

        finalDeadline <-
            match timeouts.Request with
            | None -> Int64.MaxValue
            | Some time ->
                let left = time - Stopwatch.GetElapsedTime this.Record.Began
                // A deadline of 0 would be none.
                max 1L (Environment.TickCount64 + int64 left.TotalMilliseconds)

        this.Phase <- Phase.AwaitingHead
        triedAt <- Stopwatch.GetTimestamp()
        this.Record.HeadAt <- 0L
        this.Arm timeouts.Response

    /// The head of the try's answer is there.
    member this.HeadArrived() =
        this.Record.HeadAt <- Stopwatch.GetTimestamp()
        left <- ClientLimits.grace limits idle

    /// How long the head of the last try's answer took; nothing where there was none. What comes after it goes
    /// by the client, too.
    member this.TimeToHead: TimeSpan voption =
        if this.Record.HeadAt = 0L then
            ValueNone
        else
            ValueSome(Stopwatch.GetElapsedTime(triedAt, this.Record.HeadAt))

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
        setDeadline (Environment.TickCount64 + int64 time.TotalMilliseconds)

    /// What was waited for when the try's time was over, whatever has gone on since.
    member this.EndedIn = endedIn |> ValueOption.defaultValue this.Phase

    /// What is left of the time of the request as a whole.
    member _.TimeLeft =
        if finalDeadline = Int64.MaxValue then
            TimeSpan.MaxValue
        else
            TimeSpan.FromMilliseconds(float (max 0L (finalDeadline - Environment.TickCount64)))

    /// Whether the try ended because the time of the request as a whole was over.
    member _.IsOverdue = isOverdue

    /// The request has become a tunnel, which may stay as long as it likes.
    member _.HasNoEnd() = finalDeadline <- Int64.MaxValue

    /// Notes progress on a body, or its beginning.
    member _.Progress() =
        setDeadline (Environment.TickCount64 + idle)

    /// The client is waited for: for no longer than it has left.
    member this.AwaitClient(phase: Phase) =
        let now = Environment.TickCount64
        this.Phase <- phase
        waitingSince <- now

        // A call of gRPC may send little for as long as it likes.
        let isQuiet =
            isStream
            && phase = Phase.ReadingClient
            && (match http.Request.ContentType with
                | null -> false
                | kind -> kind.StartsWith("application/grpc", StringComparison.OrdinalIgnoreCase))

        setDeadline (now + (if isQuiet then idle else min idle left))

    /// The client has been waited for, and was not too slow. What it was sent may only have gone into buffers: where
    /// it can be told what has arrived, that is looked at when its time runs out.
    member this.ClientMoved() =
        let total = this.Record.Received + this.Record.Sent

        let moved =
            if isTold && this.Phase = Phase.WritingClient then
                0L
            else
                total - accounted

        left <-
            ClientLimits.left limits idle left (Environment.TickCount64 - waitingSince) moved
            |> max 1L

        accounted <- total

    /// The request has been served: what is left of the answer in buffers may keep the connection only as long
    /// as the client takes of it.
    member this.Finish() =
        beginPatience (
            if isTold then
                int64 (entry().Clients).Grace.TotalMilliseconds
            else
                unseen
        )

        left <- idle
        finalDeadline <- Int64.MaxValue
        isEnding <- true
        this.AwaitClient Phase.WritingClient

    interface IExpiring with
        member val Place = 0 with get, set

        member _.Expire now =
            let seen = Volatile.Read &deadline

            if seen <> 0L && now >= seen then
                lock gate (fun () ->
                    let goesOn =
                        this.Phase = Phase.WritingClient
                        && Volatile.Read &deadline = seen
                        && takes seen now

                    if not goesOn && Interlocked.CompareExchange(&deadline, 0L, seen) = seen then
                        isOverdue <- now >= finalDeadline
                        endedIn <- ValueSome this.Phase
                        // What the cancellation wakes may answer, and end, before it returns.
                        let wasEnding = isEnding
                        source.Cancel()

                        if wasEnding then
                            http.Abort())
