namespace Conduit

open System

/// How long a backend takes to answer: an average that rises with each longer time, quickly but in steps, and
/// falls slowly with shorter ones and with time itself, so that a backend that was slow is asked again some
/// day. Steps, because a pause of this process or of the machine makes the few requests late that are under
/// way just then: taken wholly, it would keep their backends poor for ten seconds beside equals that happened
/// to have none. A backend that is slow itself is so again and again, and soon stands for its full time. Kept in
/// one word, so that it can be exchanged atomically: milliseconds as a 32-bit float, and when they were
/// observed, in milliseconds of the process' clock.
[<Struct; NoEquality; NoComparison>]
type Pace = private { Word: int64 }

[<RequireQualifiedAccess>]
module Pace =

    /// The time in which what was observed loses all but 1/e of its say, in milliseconds.
    let private decay = 10_000.0

    /// By what factor one longer time can raise it, counted from a millisecond at the least.
    let private step = 1.25

    /// What a failure counts for at the least, before it is doubled.
    let private leastOfFailure = 10.0

    /// No time is longer than this, in milliseconds.
    let private longest = 60_000.0

    let private millisecondOf (now: Instant) =
        uint32 (uint64 (Instant.elapsed Instant.zero now).Ticks / 10_000UL)

    let private pack (at: uint32) (milliseconds: float) = {
        Word =
            (int64 (BitConverter.SingleToUInt32Bits(float32 milliseconds)) <<< 32)
            ||| int64 at
    }

    let private value (pace: Pace) =
        float (BitConverter.UInt32BitsToSingle(uint32 (uint64 pace.Word >>> 32)))

    /// The share that is left of what was observed.
    let private left (now: uint32) (pace: Pace) =
        let elapsed = int32 (now - uint32 pace.Word)
        if elapsed <= 0 then 1.0 else exp (-(float elapsed) / decay)

    /// Nothing is known.
    let unknown: Pace = { Word = 0L }

    let isKnown (pace: Pace) = pace.Word <> 0L

    /// The word of it, and back.
    let toWord (pace: Pace) = pace.Word
    let ofWord word : Pace = { Word = word }

    /// The milliseconds that it stands for now; 0 when nothing is known.
    let at (now: Instant) (pace: Pace) =
        value pace * left (millisecondOf now) pace

    /// What somebody else's time, in milliseconds, makes it start with.
    let start (now: Instant) (milliseconds: float) = pack (millisecondOf now) milliseconds

    /// After an answer that took so long.
    let observe (now: Instant) (took: TimeSpan) (pace: Pace) =
        let stamp = millisecondOf now
        let took = max 0.001 (min longest took.TotalMilliseconds)
        let left = left stamp pace
        let before = value pace * left

        pack
            stamp
            (if took < before then
                 before + took * (1.0 - left)
             else
                 min took (step * max 1.0 before))

    /// After a failure that took so long: twice as slow as before at least, so that a backend that fails fast
    /// never looks like a fast one.
    let fail (now: Instant) (took: TimeSpan) (pace: Pace) =
        let slow = 2.0 * max leastOfFailure (at now pace)
        pack (millisecondOf now) (min longest (max slow took.TotalMilliseconds))

    /// The times of two backends, for comparing them. One of which nothing is known is taken for as fast as
    /// the other. Times within a factor of two are taken for equal, and so are those below a millisecond: such
    /// differences are chance more often than not, and to go by them would starve one of two equals.
    let compared (now: Instant) (a: Pace) (b: Pace) : struct (float * float) =
        if not (isKnown a && isKnown b) then
            struct (1.0, 1.0)
        else
            let timeOfA, timeOfB = max 1.0 (at now a), max 1.0 (at now b)

            if timeOfA <= 2.0 * timeOfB && timeOfB <= 2.0 * timeOfA then
                struct (1.0, 1.0)
            else
                struct (timeOfA, timeOfB)
