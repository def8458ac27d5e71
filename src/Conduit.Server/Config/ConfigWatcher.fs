namespace Conduit.Server

open System
open System.Threading
open System.Threading.Tasks

/// Calls when a file has changed. Looks twice a second: notices of the system miss links that are
/// swapped, and do not come at all from some network file systems.
[<RequireQualifiedAccess>]
module ConfigWatcher =

    let private period = TimeSpan.FromMilliseconds 500.0

    /// Whether a file that is `now` so, and was `seen` a period ago, is to be read: it is another version
    /// than the one that is `known`, and has held still, so that it is not read while it is being written.
    let isDue (known: FileStamp option) (seen: FileStamp option) (now: FileStamp option) =
        now.IsSome && now <> known && now = seen

    /// Calls `changed` for each version that differs from the one last read. `known` is the stamp of that
    /// one, taken before it was read: a change that comes between reading and watching is seen too.
    let watch
        (clock: TimeProvider)
        (path: string)
        (known: unit -> FileStamp option)
        (changed: unit -> Task)
        (stopping: CancellationToken)
        : Task = task {
        let mutable seen = None

        try
            while not stopping.IsCancellationRequested do
                do! Task.Delay(period, clock, stopping)
                let now = FileStamp.read path

                if isDue (known ()) seen now then
                    do! changed ()

                seen <- now
        with :? OperationCanceledException when stopping.IsCancellationRequested ->
            ()
    }
