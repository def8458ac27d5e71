namespace Conduit.Server

open System
open Microsoft.AspNetCore.Server.Kestrel.Core

/// What a connection of HTTP/2 may ask for.
[<RequireQualifiedAccess>]
module Http2Limits =

    let set (limits: Http2Limits) =
        limits.MaxStreamsPerConnection <- 100
        // One stream may not take the whole connection.
        limits.InitialStreamWindowSize <- 256 * 1024
        limits.InitialConnectionWindowSize <- 1024 * 1024
        // A client that is gone without a word is noticed.
        limits.KeepAlivePingDelay <- TimeSpan.FromSeconds 60.0
        limits.KeepAlivePingTimeout <- TimeSpan.FromSeconds 20.0
