namespace Conduit

open System

/// A point on the monotonic clock of this process, in ticks of 100 ns from an arbitrary origin.
/// Nothing in the core reads a clock: whoever calls passes the instant.
[<Struct; CustomEquality; NoComparison>]
type Instant =
    private
    | Instant of ticks: int64

    override this.Equals other =
        match other with
        | :? Instant as that -> (this :> IEquatable<Instant>).Equals that
        | _ -> false

    override this.GetHashCode() =
        let (Instant ticks) = this
        ticks.GetHashCode()

    interface IEquatable<Instant> with
        member this.Equals(that: Instant) =
            let (Instant a), (Instant b) = this, that
            a = b

[<RequireQualifiedAccess>]
module Instant =

    /// The origin of the clock.
    let zero = Instant 0L

    /// The instant that lies so far after the origin.
    let ofElapsed (sinceOrigin: TimeSpan) = Instant sinceOrigin.Ticks

    let add (span: TimeSpan) (Instant ticks) = Instant(ticks + span.Ticks)

    /// The time from `earlier` to `later`; negative when they are the other way round.
    let elapsed (Instant earlier) (Instant later) = TimeSpan.FromTicks(later - earlier)

    /// The earlier of two that need not be.
    let first (a: Instant voption) (b: Instant voption) : Instant voption =
        match a, b with
        | ValueSome(Instant a), ValueSome(Instant b) -> ValueSome(Instant(min a b))
        | ValueNone, b -> b
        | a, ValueNone -> a

    /// Its ticks, as a position for chance.
    let bits (Instant ticks) = uint64 ticks

    /// Whether `deadline` has been reached at `now`.
    let hasPassed (Instant deadline) (Instant now) = now >= deadline
