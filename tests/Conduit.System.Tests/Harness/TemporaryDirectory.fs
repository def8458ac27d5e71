namespace Conduit.SystemTests

open System
open System.IO

/// A directory that is gone, with all in it, when the test ends.
[<Sealed>]
type TemporaryDirectory() =

    let info = Directory.CreateTempSubdirectory "conduit-system-"

    member _.Path = info.FullName

    /// The path of a name in it.
    member _.File name = Path.Combine(info.FullName, name)

    /// Makes a directory in it, and gives its path.
    member _.Create(name: string) = (info.CreateSubdirectory name).FullName

    interface IDisposable with
        member _.Dispose() = info.Delete true
