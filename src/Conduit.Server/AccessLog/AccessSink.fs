namespace Conduit.Server

open System
open System.IO
open System.Runtime.InteropServices
open Microsoft.Win32.SafeHandles

module private Native =
    [<DllImport("libc", SetLastError = true)>]
    extern int fcntl(SafeFileHandle handle, int command, int argument)

/// IMPURE: where lines go: a file, or standard output where there is none. A file is opened when the first line is
/// written, and again after `Reopen`.
[<Sealed>]
type AccessSink(file: string option) =

    static let setStatus, append = 4, 0x400

    let mutable stream: Stream | null = null

    /// Each write goes to the end, wherever that has moved: the file may have been cut off, and another process may
    /// write to it as well. .NET would go on where it believes the end to be.
    static let toTheEnd (opened: FileStream) =
        if OperatingSystem.IsLinux() then
            Native.fcntl (opened.SafeFileHandle, setStatus, append) |> ignore

        opened

    static let openFile (path: string) =
        let options =
            FileStreamOptions(
                Mode = FileMode.Append,
                Access = FileAccess.Write,
                Share = (FileShare.ReadWrite ||| FileShare.Delete),
                BufferSize = 0
            )

        if not (OperatingSystem.IsWindows()) then
            options.UnixCreateMode <-
                Nullable(UnixFileMode.UserRead ||| UnixFileMode.UserWrite ||| UnixFileMode.GroupRead)

        new FileStream(path, options) |> toTheEnd :> Stream

    let opened () =
        match stream with
        | null ->
            let made =
                match file with
                | Some path -> openFile path
                | None -> Console.OpenStandardOutput()

            stream <- made
            made
        | stream -> stream

    /// Why lines could not be written there now; nothing where they could.
    static member Objection(file: string option) : string option =
        match file with
        | None -> None
        | Some path ->
            try
                use _ = openFile path
                None
            with
            | :? IOException
            | :? UnauthorizedAccessException
            | :? ArgumentException
            | :? NotSupportedException as error -> Some error.Message

    member _.Name = file |> Option.defaultValue "standard output"

    /// Writes whole lines, in one piece.
    member _.Write(lines: ReadOnlySpan<byte>) =
        let stream = opened ()
        stream.Write lines
        stream.Flush()

    /// Closes it: what is written next opens it again, under whatever is there by its name.
    member _.Close() =
        match stream with
        | null -> ()
        | open' ->
            stream <- null
            open'.Dispose()
