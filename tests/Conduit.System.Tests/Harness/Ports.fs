namespace Conduit.SystemTests

open System
open System.Collections.Generic
open System.IO
open System.Net
open System.Net.Sockets

/// Free TCP ports of the loopback address, for programs that must be told one.
[<RequireQualifiedAccess>]
module Ports =

    let private lowest = 10_000

    /// Ports from here on are given to outgoing connections. A server that comes back to its port under
    /// load would find it taken now and then, and a check of a closed port could connect to itself.
    let private ephemeral =
        lazy
            (match "/proc/sys/net/ipv4/ip_local_port_range" with
             | path when File.Exists path ->
                 let first = (File.ReadAllText path).Split([| '\t'; ' ' |])[0]
                 max (lowest + 1000) (int first)
             | _ -> 32_768)

    let private handedOut = HashSet<int>()

    let private isFree port =
        try
            // Without address reuse, so that a port whose last connections still linger counts as taken.
            use listener =
                new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)

            listener.Bind(IPEndPoint(IPAddress.Any, port))
            true
        with :? SocketException ->
            false

    /// A port that the system says is free, and that no other call in this run gets.
    let rec free () =
        let candidate = Random.Shared.Next(lowest, ephemeral.Value)

        if lock handedOut (fun () -> handedOut.Add candidate) && isFree candidate then
            candidate
        else
            free ()
