namespace Conduit.Server

open System
open System.IO
open System.Threading
open Conduit

/// What became of the lines, over all access logs of the process.
type AccessLines = { Written: Counter; Dropped: Counter }

/// IMPURE: one access log, as one configuration wants it, with a thread of its own that writes: whatever a file
/// takes its time for, no request waits.
[<Sealed>]
type private AccessWriter(settings: AccessLogConfig, lines: AccessLines, log: Log) =

    /// So long lines gather before they are written in one piece.
    static let pause = TimeSpan.FromMilliseconds 50.0
    /// At the end, for what has gathered.
    static let patience = TimeSpan.FromSeconds 2.0
    static let largestPiece = 256 * 1024

    let texts = AccessTexts.ofFields settings.Fields
    let buffer = AccessBuffer settings.Queue
    let sink = AccessSink settings.LogFile
    let writer = LineWriter()
    let arrived = new AutoResetEvent false
    let hurry = new AutoResetEvent false
    let mutable isFailing = false

    [<VolatileField>]
    let mutable isStopping = false

    [<VolatileField>]
    let mutable isMoved = false

    let flush count =
        if count > 0 then
            try
                if isFailing then
                    // The piece that failed may have left the beginning of a line there.
                    sink.Write "\n"B

                sink.Write writer.Written
                lines.Written.Add(int64 count)

                if isFailing then
                    isFailing <- false
                    log.AccessLogWorks sink.Name
            with
            | :? IOException
            | :? UnauthorizedAccessException as error ->
                lines.Dropped.Add(int64 count)
                sink.Close()

                if not isFailing then
                    isFailing <- true
                    log.AccessLogFails(sink.Name, error.Message)

            writer.Clear()

    let writeAll () =
        let taken = buffer.Take()
        let entries = taken.AsSpan()
        let mutable count = 0

        for index in 0 .. entries.Length - 1 do
            AccessLine.write settings.Format settings.Fields &entries[index] writer
            count <- count + 1

            if writer.Written.Length >= largestPiece then
                flush count
                count <- 0

        flush count

    let work () =
        while not isStopping do
            arrived.WaitOne() |> ignore

            if not isStopping then
                hurry.WaitOne pause |> ignore

            if isMoved then
                isMoved <- false
                sink.Close()

            writeAll ()

        // What came while the last piece was written; what comes now is dropped, and counted so.
        buffer.Close()
        writeAll ()
        sink.Close()

    let thread = Thread(work, IsBackground = true, Name = "access log")

    do thread.Start()

    member _.Settings = settings

    /// Keeps what there is to tell of a request that is over.
    member _.Write(proxies, exchange: Exchange) =
        let isFailure = exchange.Record.IsCut || Account.status exchange >= 500

        if
            isFailure
            || settings.Sample >= 1.0
            || Random.Shared.NextDouble() < settings.Sample
        then
            let entry = AccessEntry.ofExchange texts proxies exchange

            match buffer.Add &entry with
            | Kept.First -> arrived.Set() |> ignore
            | Kept.Half -> hurry.Set() |> ignore
            | Kept.Dropped -> lines.Dropped.Add 1L
            | _ -> ()

    member _.Reopen() =
        isMoved <- true
        arrived.Set() |> ignore
        hurry.Set() |> ignore

    /// Ends it, once what there is has been written.
    member _.Stop() =
        isStopping <- true
        arrived.Set() |> ignore
        hurry.Set() |> ignore
        thread.Join patience |> ignore

/// IMPURE: a line for each request, where the operator wants that. Off it costs a look at one field.
[<Sealed>]
type AccessLog(log: Log) =

    let lines = {
        Written = Counter()
        Dropped = Counter()
    }

    [<VolatileField>]
    let mutable writer: AccessWriter | null = null

    /// What became of the lines so far.
    member _.Lines = lines

    /// What is wrong with the place where lines are to go.
    static member Check(settings: AccessLogConfig option) : Result<unit, Fault list> =
        match settings |> Option.bind (fun settings -> AccessSink.Objection settings.LogFile) with
        | None -> Ok()
        | Some reason ->
            Error [
                Fault.create
                    "access_log.file"
                    $"lines cannot be written there: {reason}"
                    "name a file in a directory that Conduit may write to"
            ]

    /// Goes on as these settings say. What came before is still written as the ones before wanted it.
    member _.Apply(settings: AccessLogConfig option) =
        let before = writer

        let current =
            match before with
            | null -> None
            | before -> Some before.Settings

        if current <> settings then
            writer <-
                match settings with
                | Some settings -> AccessWriter(settings, lines, log)
                | None -> null

            match before with
            | null -> ()
            | before -> before.Stop()

    /// Tells of a request that is over.
    member _.Write(proxies, exchange) =
        match writer with
        | null -> ()
        | writer -> writer.Write(proxies, exchange)

    /// Opens the file by its name again, as after a rotation.
    member _.Reopen() =
        match writer with
        | null -> ()
        | writer -> writer.Reopen()

    interface IDisposable with
        member this.Dispose() = this.Apply None
