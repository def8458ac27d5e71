namespace Conduit.Server.Tests

open System
open System.IO

/// A directory of a test's own, gone when it is disposed.
[<Sealed>]
type ConfigDirectory() =
    let root = Directory.CreateTempSubdirectory "conduit-test-"

    member _.Path(name: string) = Path.Combine(root.FullName, name)

    /// Puts a file in place in one step, as a careful operator and most editors do: it is never seen
    /// half written.
    member this.Write (name: string) (text: string) =
        let aside = this.Path(name + ".new")
        File.WriteAllText(aside, text)
        File.Move(aside, this.Path name, overwrite = true)

    interface IDisposable with
        member _.Dispose() = root.Delete true
