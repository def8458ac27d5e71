namespace Conduit.Server.Tests

open System
open System.Diagnostics
open System.Threading.Tasks

/// Waiting for something that must happen, without guessing how long it takes.
[<RequireQualifiedAccess>]
module Eventually =

    /// How long anything that must happen may take. Generous: it is used up only by a failing test.
    let patience = TimeSpan.FromSeconds 20.0

    /// Polls `condition` until it holds; `what` names it where it does not hold in time.
    let within (patience: TimeSpan) (what: string) (condition: unit -> bool) : Task = task {
        let clock = Stopwatch.StartNew()

        while not (condition ()) do
            if clock.Elapsed > patience then
                failwith $"not within {patience}: {what}"

            do! Task.Delay 5
    }

    let holds what condition = within patience what condition

    /// What `work` gives, or a failure that names it where it takes too long.
    let finishes (what: string) (work: Task<'a>) : Task<'a> = task {
        try
            return! work.WaitAsync patience
        with :? TimeoutException ->
            return failwith $"not within {patience}: {what}"
    }
