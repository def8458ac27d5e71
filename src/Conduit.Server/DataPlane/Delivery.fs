namespace Conduit.Server

open System
open System.Net.Sockets
open Microsoft.AspNetCore.Connections.Features
open Microsoft.AspNetCore.Http.Features
open Conduit.Transport.Epoll

/// How far a client has come in taking what was sent. A connection's buffers hold megabytes: that none of them
/// has room again says little about a client that reads slowly.
[<RequireQualifiedAccess>]
module Delivery =

    let private ofSocket (socket: Socket) =
        try
            let info = Array.zeroCreate<byte> TcpInfo.Size
            let size = socket.GetRawSocketOption(TcpInfo.Level, TcpInfo.Option, info)
            TcpInfo.Acknowledged(ReadOnlySpan<byte>(info, 0, size))
        with
        | :? SocketException
        | :? ObjectDisposedException -> -1L

    /// Bytes that may wait in the system for a client to have room for them. Without a bound each client that takes
    /// nothing could have the system hold megabytes.
    let private mostUnsent = 128 * 1024

    let private unsentOption = 25

    /// Bounds what waits in the system on the connections of a listening socket.
    let bound (socket: Socket) =
        if OperatingSystem.IsLinux() then
            socket.SetRawSocketOption(
                TcpInfo.Level,
                unsentOption,
                ReadOnlySpan<byte>(BitConverter.GetBytes mostUnsent)
            )

    /// Bytes that the client's system has acknowledged on its connection; -1 where that cannot be told.
    let acknowledged (features: IFeatureCollection) =
        match features.Get<IDeliveryFeature>() with
        | null ->
            match features.Get<IConnectionSocketFeature>() with
            | null -> -1L
            | feature ->
                if OperatingSystem.IsLinux() then
                    ofSocket feature.Socket
                else
                    -1L
        | feature -> feature.Acknowledged
