namespace Conduit

open System

/// What is left of a pool's retry budget: it bounds how much further tries can add to the load of backends
/// that fail already.
type Budget = {
    /// Further tries that may be made now.
    Balance: float
    /// When it was reckoned.
    At: Instant
    /// Requests that had come by then, since the beginning.
    Requests: int64
}

[<RequireQualifiedAccess>]
module Budget =

    /// What is not used is forgotten after about so many seconds.
    let private memory = 10.0

    /// At the origin of the clock: what one second gives.
    let create (settings: RetryBudget) = {
        Balance = settings.PerSecond
        At = Instant.zero
        Requests = 0L
    }

    /// The budget at a later instant, by when so many requests had come. What there was and what was added
    /// evenly in between both fade.
    let advance (settings: RetryBudget) now requests budget =
        let seconds = (Instant.elapsed budget.At now).TotalSeconds

        if seconds <= 0.0 then
            budget
        else
            let kept = Math.Exp(-seconds / memory)

            let rate =
                settings.Percentage / 100.0 * float (requests - budget.Requests) / seconds
                + settings.PerSecond

            {
                Balance = budget.Balance * kept + rate * memory * (1.0 - kept)
                At = now
                Requests = requests
            }

    /// The budget after one more further try; nothing where it has none left.
    let take budget : Budget voption =
        if budget.Balance >= 1.0 then
            ValueSome {
                budget with
                    Balance = budget.Balance - 1.0
            }
        else
            ValueNone
