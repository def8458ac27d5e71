namespace Conduit.Server

open System.Threading.Tasks

/// Work that nobody waits for.
[<RequireQualifiedAccess>]
module Background =

    /// Does the work. What goes wrong in it is logged under the name `what`: the task that it gives ends
    /// with the work, and never with an exception.
    let run (log: Log) (what: string) (work: unit -> Task) : Task = task {
        try
            do! work ()
        with error ->
            log.Failed(what, error)
    }
