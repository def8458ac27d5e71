namespace Conduit.Server

open System
open System.IO
open System.Threading
open System.Threading.Tasks

/// What tells one version of a file from another without reading it. Links are followed, so a
/// directory that is swapped behind a link, as Kubernetes does with a ConfigMap, counts.
[<Struct>]
type FileStamp = {
    Target: string
    Modified: DateTime
    Length: int64
}

/// Calls when a file has changed. Looks twice a second: notices of the system miss links that are
/// swapped, and do not come at all from some network file systems.
[<RequireQualifiedAccess>]
module ConfigWatcher =

    let private period = TimeSpan.FromMilliseconds 500.0

    /// The path with every link on the way resolved.
    let private resolve (path: string) =
        let rec up (path: string) (rest: string list) =
            let info: FileSystemInfo =
                if rest.IsEmpty then FileInfo path else DirectoryInfo path

            match info.ResolveLinkTarget true, Path.GetDirectoryName path, Path.GetFileName path with
            | NonNull target, _, _ -> Path.Combine(Array.ofList (target.FullName :: rest))
            | _, NonNull parent, NonNull name when parent <> "" -> up parent (name :: rest)
            | _ -> Path.Combine(Array.ofList (path :: rest))

        up (Path.GetFullPath path) []

    /// The stamp of a file; nothing while it is not there, as in the middle of a swap.
    let stamp (path: string) : FileStamp option =
        try
            let target = resolve path
            let info = FileInfo target

            if info.Exists then
                Some {
                    Target = target
                    Modified = info.LastWriteTimeUtc
                    Length = info.Length
                }
            else
                None
        with
        | :? IOException
        | :? UnauthorizedAccessException -> None

    /// Calls `changed` once for each new version that has held still for one period, so that a file is
    /// not read while it is being written.
    let watch (path: string) (changed: unit -> Task) (stopping: CancellationToken) : Task = task {
        let mutable known = stamp path
        let mutable seen = known

        try
            while not stopping.IsCancellationRequested do
                do! Task.Delay(period, stopping)
                let now = stamp path

                if now.IsSome && now <> known && now = seen then
                    known <- now
                    do! changed ()

                seen <- now
        with :? OperationCanceledException ->
            ()
    }
