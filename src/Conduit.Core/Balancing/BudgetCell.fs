namespace Conduit

open System.Threading

/// IMPURE: an atomic counter, and a lock that only failed tries take. Keeps the retry budget of a pool;
/// survives snapshots like a gauge does.
[<Sealed>]
type BudgetCell() =
    let gate = Lock()
    let mutable requests = 0L
    let mutable refused = 0L
    let mutable budget: Budget voption = ValueNone

    /// Counts one more request.
    member _.Count() =
        Interlocked.Increment &requests |> ignore

    /// Further tries for which there was nothing left.
    member _.Refused = Volatile.Read &refused

    /// Takes a further try out of the budget, where it has one left.
    member _.TryTake(settings: RetryBudget, now: Instant) : bool =
        gate.Enter()

        try
            let before = budget |> ValueOption.defaultWith (fun () -> Budget.create settings)
            let current = Budget.advance settings now (Volatile.Read &requests) before
            let taken = Budget.take current
            budget <- ValueSome(taken |> ValueOption.defaultValue current)

            if taken.IsNone then
                refused <- refused + 1L

            taken.IsSome
        finally
            gate.Exit()
