namespace Conduit.Server

open System
open System.IO
open System.Net.Sockets
open System.Text
open System.Threading
open System.Threading.Tasks
open Conduit

/// A process whose place this one takes: it goes on until it is told that this one serves.
[<Sealed>]
type Predecessor internal (connection: Socket, sockets: Socket list, managed: Socket list) =

    /// Its listening sockets, which both processes have now.
    member _.Sockets = sockets

    /// More of them, which the system's manager has too.
    member _.Managed = managed

    /// Tells it that this process serves; from then on it drains. Ends when it is gone.
    member _.Relieve() : Task = task {
        connection.Send([| 1uy |]) |> ignore
        connection.ReceiveTimeout <- 0

        try
            let! _ = connection.ReceiveAsync(Array.zeroCreate<byte> 1, SocketFlags.None)
            ()
        with :? SocketException ->
            ()

        connection.Dispose()
    }

    /// Lets it go on: this process does not serve.
    interface IDisposable with
        member _.Dispose() = connection.Dispose()

/// IMPURE: one process takes over from another through a Unix socket at a path that both know. The old one offers
/// its listening sockets there; the new one takes them, begins to serve, offers them at the same path in turn and
/// says so; then the old one drains. No connection that waits to be accepted is lost, because the sockets never
/// close. A new process that fails says nothing, and the old one goes on.
[<Sealed>]
type TakeOver private (path: string, mine: string, listener: Socket, before: Predecessor option) =

    /// What comes first in the message, so that another program is not taken for this one.
    static let greeting = "conduit 2"B

    /// After the greeting a sign for each descriptor says whose socket it is.
    static let ownSign, managedSign, noSign = 'o'B, 'm'B, ' 'B

    static let message (sockets: struct (Socket * bool) list) = [|
        yield! greeting

        for index in 0 .. Descriptors.most - 1 do
            match List.tryItem index sockets with
            | Some(struct (_, true)) -> managedSign
            | Some(struct (_, false)) -> ownSign
            | None -> noSign
    |]

    /// How long the new process may take to begin to serve, and either to say what comes next.
    static let patience = TimeSpan.FromSeconds 60.0

    let relieved =
        TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)

    let ending = new CancellationTokenSource()

    /// Kept open: that it ends tells who has taken over that this process has.
    let mutable successor: Socket | null = null

    static let unixSocket () =
        new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)

    static let fault (path: string) what =
        Fault.create $"--take-over {Fault.quote path}" what "name a path in a directory of this user"

    /// Asks who offers its sockets at the path, if anybody does.
    static let ask (path: string) : Result<Predecessor option, Fault> =
        let connection = unixSocket ()

        let refuse answer =
            connection.Dispose()
            answer

        try
            connection.ReceiveTimeout <- int patience.TotalMilliseconds
            connection.Connect(UnixDomainSocketEndPoint path)

            let text, descriptors =
                Descriptors.receive connection (greeting.Length + Descriptors.most)

            let sockets = descriptors |> List.map SharedSocket.ofDescriptor

            if text.AsSpan().StartsWith(ReadOnlySpan greeting) then
                let managed, own =
                    sockets
                    |> List.indexed
                    |> List.partition (fun (index, _) ->
                        Array.tryItem (greeting.Length + index) text = Some managedSign)

                Ok(Some(new Predecessor(connection, List.map snd own, List.map snd managed)))
            else
                for socket in sockets do
                    socket.Dispose()

                refuse (Error(fault path "what answers there is not conduit"))
        with :? SocketException ->
            refuse (Ok None)

    static let bind (path: string) =
        let listener = unixSocket ()

        try
            File.Delete path
            listener.Bind(UnixDomainSocketEndPoint path)
            File.SetUnixFileMode(path, UnixFileMode.UserRead ||| UnixFileMode.UserWrite)
            listener.Listen 4
            Ok listener
        with
        | :? SocketException
        | :? IOException
        | :? UnauthorizedAccessException as error ->
            listener.Dispose()
            Error error.Message

    /// Hands the sockets over; true once the other process serves.
    let handOver (connection: Socket) : Task<bool> = task {
        let sockets = ListenSockets.OfProcess.Lend()

        Descriptors.send connection (message sockets) [
            for struct (socket, _) in sockets -> int socket.Handle
        ]

        use limit = CancellationTokenSource.CreateLinkedTokenSource ending.Token
        limit.CancelAfter patience
        let answer = Array.zeroCreate<byte> 1

        let! count =
            connection.ReceiveAsync(answer.AsMemory(), SocketFlags.None, limit.Token)

        return count = 1
    }

    /// A connection to who has taken over stays open to the end of this process, which it waits for.
    let serveOne (connection: Socket) : Task<bool> = task {
        let mutable hasRelieved = false

        try
            let! isServing = handOver connection
            hasRelieved <- isServing
        with
        | :? SocketException
        | :? OperationCanceledException
        // A port that a reload has just closed.
        | :? ObjectDisposedException -> ()

        if hasRelieved then
            successor <- connection
        else
            connection.Dispose()
            ListenSockets.OfProcess.TakeBack()

        return hasRelieved
    }

    let serve (log: Log) : Task = task {
        try
            while not relieved.Task.IsCompleted do
                let! connection = listener.AcceptAsync ending.Token
                let! hasRelieved = serveOne connection

                if hasRelieved then
                    log.Relieved()
                    relieved.TrySetResult() |> ignore
                else
                    log.TakeOverFailed()
        with :? OperationCanceledException ->
            ()
    }

    let relieve (before: Predecessor) : Task = task {
        do! before.Relieve()
        ListenSockets.OfProcess.Own before.Sockets
    }

    /// Asks who is to be relieved, and gets ready to be asked in turn.
    static member Open(path: string) : Result<TakeOver, Fault> =
        // A path for sockets has about a hundred bytes.
        let mine = $"{path}.{Environment.ProcessId}"

        if not (OperatingSystem.IsLinux()) then
            Error(fault path "sockets can be handed over on Linux only")
        elif Encoding.UTF8.GetByteCount mine > 100 then
            Error(fault path "the path is too long")
        elif File.Exists path && FileInfo(path).Length > 0L then
            Error(fault path "what is there is a file and no socket")
        else
            ask path
            |> Result.bind (fun before ->
                match bind mine with
                | Ok listener -> Ok(new TakeOver(path, mine, listener, before))
                | Error reason ->
                    before |> Option.iter (fun before -> (before :> IDisposable).Dispose())
                    Error(fault path reason))

    /// The sockets of the process that is to be relieved.
    member _.Sockets =
        match before with
        | Some before -> before.Sockets
        | None -> []

    /// This process serves: it offers its sockets at the path, in the place of the process before, which drains.
    member _.Begin(log: Log) =
        File.Move(mine, path, overwrite = true)

        Background.run log "Offering the listening sockets" (fun () -> serve log)
        |> ignore

        match before with
        | Some before -> Background.run log "Relieving a process" (fun () -> relieve before) |> ignore
        | None -> ()

    /// Those of them that the system's manager has too.
    member _.Managed =
        match before with
        | Some before -> before.Managed
        | None -> []

    /// Ends once another process has taken over.
    member _.Relieved: Task = relieved.Task

    interface IDisposable with
        member _.Dispose() =
            ending.Cancel()
            listener.Dispose()
            File.Delete mine

            match successor with
            | null -> ()
            | successor -> successor.Dispose()

            before |> Option.iter (fun before -> (before :> IDisposable).Dispose())
