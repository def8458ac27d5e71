namespace Conduit.Server

open System
open System.Net
open System.Threading
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Http.Features
open Conduit

/// What the exchange waits for: when time runs out, or a stream breaks, it tells whose fault it is.
type Phase =
    | ReadingClient = 0
    | WritingBackend = 1
    | AwaitingHead = 2
    | ReadingBackend = 3
    | WritingClient = 4

/// IMPURE: whether what serves requests is on its way out, and what it still has to do.
[<Sealed>]
type Lifetime() =
    let mutable active = 0
    let mutable connections = 0
    let mutable lastEnd = 0L

    [<VolatileField>]
    let mutable draining = false

    member _.IsDraining = draining
    member _.Drain() = draining <- true

    /// Requests that have begun and not ended.
    member _.Active = Volatile.Read &active

    /// Connections that clients have open.
    member _.Connections = Volatile.Read &connections

    /// How long ago the last request ended; nothing while one is being answered.
    member _.Quiet =
        if Volatile.Read &active > 0 then
            TimeSpan.Zero
        else
            TimeSpan.FromMilliseconds(float (Environment.TickCount64 - Volatile.Read &lastEnd))

    member _.Enter() = Interlocked.Increment &active |> ignore

    member _.Leave() =
        Volatile.Write(&lastEnd, Environment.TickCount64)
        Interlocked.Decrement &active |> ignore

    member _.Connected() =
        Interlocked.Increment &connections |> ignore

    member _.Disconnected() =
        Interlocked.Decrement &connections |> ignore

/// IMPURE: what one client connection needs to serve its requests one after another. Kestrel keeps it
/// with the connection, so a request costs no new context, timer or address text.
[<Sealed>]
type Exchange(lifetime: Lifetime) =

    static let cancel =
        Action<obj | null>(fun source ->
            match source with
            | :? CancellationTokenSource as source -> source.Cancel()
            | _ -> ())

    let http = DefaultHttpContext()
    let mutable source = new CancellationTokenSource()
    let mutable aborted = Unchecked.defaultof<CancellationTokenRegistration>
    let mutable idle = TimeSpan.Zero
    let mutable armedAt = 0L
    let mutable armedFor = TimeSpan.Zero
    let mutable clientAddress: IPAddress | null = null
    let mutable clientText = ""

    member _.Http = http
    member _.Lifetime = lifetime
    member val Phase = Phase.AwaitingHead with get, set

    member _.Begin(features: IFeatureCollection) = http.Initialize features
    member _.End() = http.Uninitialize()

    /// Cancelled when the client leaves or the time of the current phase is over.
    member _.Token = source.Token

    /// Whether the client is gone.
    member _.ClientGone = http.RequestAborted.IsCancellationRequested

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

    /// Starts the clock of a try.
    member this.BeginTry(timeouts: Timeouts) =
        if not (source.TryReset()) then
            source.Dispose()
            source <- new CancellationTokenSource()

        idle <- timeouts.Idle
        this.Phase <- Phase.AwaitingHead
        aborted <- http.RequestAborted.UnsafeRegister(cancel, source)
        this.Arm timeouts.Response

    /// Stops the clock of a try. After it the client's leaving is no longer seen here.
    member _.EndTry() =
        aborted.Dispose()
        source.CancelAfter Timeout.InfiniteTimeSpan

    /// Ends what still waits in the current try.
    member _.Cancel() = source.Cancel()

    /// Gives the current phase so long from now.
    member _.Arm(time: TimeSpan) =
        armedAt <- Environment.TickCount64
        armedFor <- time
        source.CancelAfter time

    /// Notes progress on a body, or its beginning. The idle timeout is set anew only when an eighth of
    /// it, a second at most, has passed since it last was: bytes come far more often than that.
    member this.Progress() =
        let slack = min 1000L (int64 idle.TotalMilliseconds / 8L)

        if armedFor <> idle || Environment.TickCount64 - armedAt >= slack then
            this.Arm idle
