module Conduit.Server.Tests.ConfigWatcherTests

open System
open System.IO
open System.Runtime.InteropServices
open System.Threading
open System.Threading.Tasks
open FsCheck.FSharp
open Xunit
open Conduit.Server

/// A file under watch, as the balancer watches it: what is read counts as known.
[<Sealed>]
type private Watched(path: string) =
    let clock = SteppingClock()
    let stopping = new CancellationTokenSource()
    let read = ResizeArray<string>()
    let mutable known = FileStamp.read path

    let changed () : Task =
        known <- FileStamp.read path
        read.Add(File.ReadAllText path)
        Task.CompletedTask

    let watching =
        lazy (ConfigWatcher.watch clock path (fun () -> known) changed stopping.Token)

    /// What has been read since the watch began, after so many looks at the file.
    member _.Look(times: int) : Task<string list> = task {
        watching.Force() |> ignore

        for _ in 1..times do
            do! clock.Step()

        return List.ofSeq read
    }

    member _.Stop() : Task =
        stopping.Cancel()
        watching.Value

    interface IDisposable with
        member _.Dispose() = stopping.Dispose()

/// What is read when the file begins as "one", is watched, and then changed.
let private afterChange (arrange: ConfigDirectory -> string) (change: ConfigDirectory -> unit) = task {
    use directory = new ConfigDirectory()
    use watched = new Watched(arrange directory)
    let! before = watched.Look 3
    Assert.Empty before
    change directory
    let! first = watched.Look 1
    Assert.Empty first
    let! after = watched.Look 4
    do! Eventually.finishes "the watch ends" (task { do! watched.Stop() })
    return after
}

/// The time of change of each version, so that nothing but the test's own change tells them apart.
let private sameTime = DateTime(2026, 11, 20, 12, 0, 0, DateTimeKind.Utc)

let private write (path: string) (text: string) =
    File.WriteAllText(path, text)
    File.SetLastWriteTimeUtc(path, sameTime)

let private plain (directory: ConfigDirectory) =
    let path = directory.Path "conduit.yaml"
    write path "one"
    path

[<Fact>]
let ``a file that does not change is never read again`` () = task {
    let! read = afterChange plain ignore
    Assert.Equal<string list>([], read)
}

[<Fact>]
let ``a file that is put in place by a rename is read once`` () = task {
    let! read = afterChange plain (fun directory -> directory.Write "conduit.yaml" "two")
    Assert.Equal<string list>([ "two" ], read)
}

[<Fact>]
let ``a file that is written over is read once`` () = task {
    let! read =
        afterChange plain (fun directory -> File.WriteAllText(directory.Path "conduit.yaml", "two"))

    Assert.Equal<string list>([ "two" ], read)
}

[<Fact>]
let ``an editor that moves the old file aside and writes a new one is followed`` () = task {
    let! read =
        afterChange plain (fun directory ->
            let path = directory.Path "conduit.yaml"
            File.Move(path, path + "~")
            File.WriteAllText(path, "two")
            File.Delete(path + "~"))

    Assert.Equal<string list>([ "two" ], read)
}

/// The system's own: File.Move cannot put a link in the place of one that leads to a directory.
[<DllImport("libc", SetLastError = true)>]
extern int private rename(string from, string into)

/// A version of a ConfigMap, as the kubelet puts it down: a directory of its own.
let private version (directory: ConfigDirectory) (name: string) (text: string) =
    Directory.CreateDirectory(directory.Path name) |> ignore
    write (Path.Combine(directory.Path name, "conduit.yaml")) text

let private link (directory: ConfigDirectory) (name: string) (target: string) =
    File.CreateSymbolicLink(directory.Path name, target) |> ignore

/// `conduit.yaml` leads to `..data/conduit.yaml`, and `..data` to the directory of the version.
let private mounted (directory: ConfigDirectory) =
    version directory "..2026_11_20_1" "one"
    link directory "..data" "..2026_11_20_1"
    link directory "conduit.yaml" "..data/conduit.yaml"
    directory.Path "conduit.yaml"

[<Fact>]
let ``a ConfigMap whose data is swapped is read once, though size and time are the same`` () = task {
    let! read =
        afterChange mounted (fun directory ->
            version directory "..2026_11_20_2" "two"
            link directory "..data_tmp" "..2026_11_20_2"
            Assert.Equal(0, rename (directory.Path "..data_tmp", directory.Path "..data"))
            Directory.Delete(directory.Path "..2026_11_20_1", true))

    Assert.Equal<string list>([ "two" ], read)
}

[<Fact>]
let ``a mount that is not touched is never read again`` () = task {
    let! read = afterChange mounted (fun directory -> directory.Write "other.yaml" "two")
    Assert.Equal<string list>([], read)
}

[<Fact>]
let ``a change that comes between reading and watching is seen`` () = task {
    use directory = new ConfigDirectory()
    let path = plain directory
    use watched = new Watched(path)
    File.WriteAllText(path, "two")
    let! read = watched.Look 3
    Assert.Equal<string list>([ "two" ], read)
}

[<Fact>]
let ``a file that is gone is left alone until it is back`` () = task {
    use directory = new ConfigDirectory()
    let path = plain directory
    use watched = new Watched(path)
    File.Delete path
    let! gone = watched.Look 3
    Assert.Empty gone
    write path "one"
    let! same = watched.Look 3
    Assert.Empty same
    File.Delete path
    let! _ = watched.Look 1
    File.WriteAllText(path, "two")
    let! back = watched.Look 3
    Assert.Equal<string list>([ "two" ], back)
}

[<Fact>]
let ``a file that is still being written is not read before it holds still`` () = task {
    use directory = new ConfigDirectory()
    let path = plain directory
    use watched = new Watched(path)

    for length in 1..5 do
        File.WriteAllText(path, String('x', 10 * length))
        let! read = watched.Look 1
        Assert.Empty read

    let! read = watched.Look 1
    Assert.Equal<string list>([ String('x', 50) ], read)
}

[<Fact>]
let ``links that lead in a circle have no stamp`` () =
    use directory = new ConfigDirectory()
    link directory "a" "b"
    link directory "b" "a"
    Assert.Equal(None, FileStamp.read (directory.Path "a"))

[<Fact>]
let ``what is read is never what is known, nor what has just appeared`` () =
    let stamp length = {
        Target = "f"
        Modified = sameTime
        Length = length
    }

    let seen = Gen.elements [ None; Some(stamp 1L); Some(stamp 2L); Some(stamp 3L) ]

    Seeded.forAll (Gen.zip3 seen seen seen) (fun (known, before, now) ->
        ConfigWatcher.isDue known before now = (now.IsSome && before = now && known <> now))
