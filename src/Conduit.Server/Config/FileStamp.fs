namespace Conduit.Server

open System
open System.IO

/// What tells one version of a file from another without reading it. Links are followed, so a
/// directory that is swapped behind a link, as Kubernetes does with a ConfigMap, counts.
[<Struct>]
type FileStamp = {
    /// The file itself, with every link on the way resolved.
    Target: string
    Modified: DateTime
    Length: int64
}

[<RequireQualifiedAccess>]
module FileStamp =

    /// As many links as Linux follows; more are a circle.
    let private mostLinks = 40

    /// The path with every link on the way resolved, those that links lead through too.
    let private resolve (path: string) =
        let rec follow links (path: string) =
            if links > mostLinks then
                raise (IOException $"too many links on the way to {path}")

            up links path []

        /// Looks for a link from the end of the path upwards; `rest` is what has none.
        and up links (path: string) (rest: string list) =
            let info: FileSystemInfo =
                if rest.IsEmpty then FileInfo path else DirectoryInfo path

            match info.ResolveLinkTarget false, Path.GetDirectoryName path, Path.GetFileName path with
            | NonNull target, _, _ ->
                follow (links + 1) (Path.Combine(Array.ofList (target.FullName :: rest)))
            | _, NonNull parent, NonNull name when parent <> "" -> up links parent (name :: rest)
            | _ -> Path.Combine(Array.ofList (path :: rest))

        follow 0 (Path.GetFullPath path)

    /// The stamp of a file; nothing while it is not there, as in the middle of a swap.
    let read (path: string) : FileStamp option =
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
