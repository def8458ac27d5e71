namespace Conduit

open System

/// So many tokens come back in each period.
type Rate = {
    /// 1 to 1,000,000.
    Tokens: int
    /// A second, a minute or an hour.
    Period: TimeSpan
}

[<RequireQualifiedAccess>]
module Rate =

    let private most = 1_000_000

    let private periods = [
        "s", TimeSpan.FromSeconds 1.0
        "m", TimeSpan.FromMinutes 1.0
        "h", TimeSpan.FromHours 1.0
    ]

    /// `10/s`, in the period that it was given in.
    let format (rate: Rate) =
        let unit = periods |> List.find (fun (_, period) -> period = rate.Period) |> fst
        $"{rate.Tokens}/{unit}"

    /// Reads `10`, `10/s`, `600/m` or `1000/h`; without a unit it is by the second.
    let parse where (text: string) : Result<Rate, Fault> =
        let parts = text.Trim().Split('/', 2)

        let period =
            if parts.Length = 1 then
                Some(TimeSpan.FromSeconds 1.0)
            else
                periods |> List.tryFind (fun (unit, _) -> unit = parts[1]) |> Option.map snd

        match Int32.TryParse parts[0], period with
        | (true, tokens), Some period when tokens >= 1 && tokens <= most ->
            Ok { Tokens = tokens; Period = period }
        | _ ->
            Error(
                Fault.create
                    where
                    $"{Fault.quote text} is not a rate"
                    $"write a number from 1 to {most}, and /s, /m or /h after it, as in 10/s"
            )

/// A token bucket at an instant. It counts in parts of a token, as many as a period has ticks, so that it is
/// exact: a tick brings as many parts as a period brings tokens.
[<Struct; NoEquality; NoComparison>]
type Bucket = { Parts: int64; At: int64 }

/// What a bucket says of a request.
[<Struct; NoComparison>]
type Ruling = {
    Admitted: bool
    /// Whole tokens that are left.
    Left: int
    /// Until the next token is there; zero while one is.
    Wait: TimeSpan
}

[<RequireQualifiedAccess>]
module Bucket =

    let private ticks (now: Instant) =
        (Instant.elapsed Instant.zero now).Ticks

    let private capacity (rate: Rate) burst = int64 burst * rate.Period.Ticks

    /// A bucket that holds `burst` tokens, 1 to 1,000,000.
    let full rate burst now = {
        Parts = capacity rate burst
        At = ticks now
    }

    /// The bucket with what has come back by `now`. A clock that goes back brings nothing and takes nothing.
    let refill (rate: Rate) burst now (bucket: Bucket) =
        let elapsed = ticks now - bucket.At
        let missing = capacity rate burst - bucket.Parts

        if elapsed <= 0L then
            bucket
        elif elapsed >= missing / int64 rate.Tokens + 1L then
            full rate burst now
        else
            {
                Parts = bucket.Parts + min missing (elapsed * int64 rate.Tokens)
                At = ticks now
            }

    /// When it will be full, in ticks of the clock.
    let fullAt (rate: Rate) burst (bucket: Bucket) =
        bucket.At + (capacity rate burst - bucket.Parts) / int64 rate.Tokens

    /// Takes a token if there is a whole one.
    let take (rate: Rate) burst now bucket : struct (Ruling * Bucket) =
        let filled = refill rate burst now bucket
        let one = rate.Period.Ticks
        let isAdmitted = filled.Parts >= one

        let after =
            if isAdmitted then
                {
                    filled with
                        Parts = filled.Parts - one
                }
            else
                filled

        let missing = one - after.Parts

        struct ({
                    Admitted = isAdmitted
                    Left = int (after.Parts / one)
                    Wait =
                        if missing <= 0L then
                            TimeSpan.Zero
                        else
                            TimeSpan.FromTicks((missing + int64 rate.Tokens - 1L) / int64 rate.Tokens)
                },
                after)
