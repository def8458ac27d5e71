namespace Conduit.Bench

/// The proxies, set up for the same work: as many threads as there are processors, kept connections to the
/// backends, the fewest requests in flight where they have that, `X-Forwarded-For`, `-Proto` and `-Host`, no
/// log of requests. Health checks of those that have any stay on.
[<RequireQualifiedAccess>]
module Peers =

    let all = [
        ConduitPeer.peer
        ConduitPeer.uncounted
        ConduitPeer.logging
        NginxPeer.peer
        HAProxyPeer.peer
        CaddyPeer.peer
        BuiltPeers.yarp
        BuiltPeers.go
    ]
