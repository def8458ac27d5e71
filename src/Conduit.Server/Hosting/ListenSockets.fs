namespace Conduit.Server

open System
open System.Collections.Generic
open System.Net
open System.Net.Sockets

/// IMPURE: the listening sockets of this process: those that it inherited, and which of its own other processes
/// have too.
[<Sealed>]
type ListenSockets private () =

    let gate = obj ()
    let unused = List<Socket>()
    let inUse = List<Socket>()
    /// Those that who opened them still has: the process before, or the system's manager.
    let inherited = HashSet<Socket>(HashIdentity.Reference)
    /// Those that the system's manager has for good.
    let managed = HashSet<Socket>(HashIdentity.Reference)
    /// Those that a process to come has.
    let lent = HashSet<Socket>(HashIdentity.Reference)

    let isAt (endPoint: EndPoint) (socket: Socket) =
        match socket.LocalEndPoint, endPoint with
        | (:? IPEndPoint as bound), (:? IPEndPoint as wanted) ->
            bound.Port = wanted.Port && bound.Address.Equals wanted.Address
        | _ -> false

    /// Those of the process.
    static member val OfProcess = ListenSockets()

    /// Takes sockets of the process before, which has them still.
    member _.Inherit(sockets: Socket list) =
        lock gate (fun () ->
            unused.AddRange sockets
            inherited.UnionWith sockets)

    /// Takes sockets that the system's manager has opened, and keeps.
    member this.Manage(sockets: Socket list) =
        lock gate (fun () ->
            this.Inherit sockets
            managed.UnionWith sockets)

    /// The process before is gone.
    member _.Own(sockets: Socket list) =
        lock gate (fun () ->
            for socket in sockets do
                if not (managed.Contains socket) then
                    inherited.Remove socket |> ignore)

    /// The socket for an address: one that was inherited, or else what `create` makes.
    member _.Bind(endPoint: EndPoint, create: EndPoint -> Socket) : Socket =
        lock gate (fun () ->
            let socket =
                match unused |> Seq.tryFind (isAt endPoint) with
                | Some socket ->
                    unused.Remove socket |> ignore
                    socket
                | None -> create endPoint

            inUse.Add socket
            socket)

    /// The sockets in use, which another process gets now, and whether the system's manager has each too.
    member _.Lend() : struct (Socket * bool) list =
        lock gate (fun () ->
            lent.UnionWith inUse
            [ for socket in inUse -> struct (socket, managed.Contains socket) ])

    /// The other process does not have them any more.
    member _.TakeBack() = lock gate (fun () -> lent.Clear())

    member _.IsShared(socket: Socket) =
        lock gate (fun () -> inherited.Contains socket || lent.Contains socket)

    /// To be done before the socket is disposed: where others have it too, they keep it as it is.
    member _.Leave(socket: Socket) =
        lock gate (fun () ->
            inUse.Remove socket |> ignore
            managed.Remove socket |> ignore
            let wasInherited, wasLent = inherited.Remove socket, lent.Remove socket

            if wasInherited || wasLent then
                SharedSocket.detach socket)

    /// Closes what was inherited and is not used. Gives the addresses.
    member _.CloseUnused() : string list =
        lock gate (fun () ->
            let addresses = [ for socket in unused -> string socket.LocalEndPoint ]

            for socket in unused do
                inherited.Remove socket |> ignore
                managed.Remove socket |> ignore
                SharedSocket.detach socket
                socket.Dispose()

            unused.Clear()
            addresses)

/// Sockets that the system's manager has opened for this process, as systemd does (sd_listen_fds(3)).
[<RequireQualifiedAccess>]
module SocketActivation =

    let private first = 3

    /// IMPURE: takes what `LISTEN_FDS` tells of, where `LISTEN_PID` is this process.
    let take (environment: string -> string option) : Socket list =
        let number name =
            environment name
            |> Option.bind (fun text ->
                match Int32.TryParse text with
                | true, value -> Some value
                | _ -> None)

        match number "LISTEN_PID", number "LISTEN_FDS" with
        | Some pid, Some count when pid = Environment.ProcessId ->
            // For this process alone.
            Environment.SetEnvironmentVariable("LISTEN_PID", null)
            Environment.SetEnvironmentVariable("LISTEN_FDS", null)

            [
                for descriptor in first .. first + count - 1 -> SharedSocket.ofDescriptor descriptor
            ]
        | _ -> []
