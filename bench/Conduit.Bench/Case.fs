namespace Conduit.Bench

/// How clients speak to the proxy. Backends are always HTTP/1.1 in clear, over kept connections.
[<RequireQualifiedAccess>]
type Protocol =
    | Http1
    | Http1Tls
    | Http2Tls

/// One kind of load.
type Case = {
    Name: string
    Title: string
    Protocol: Protocol
    /// What the backends answer with: `/small`, `/10k` or `/1m`.
    Target: string
    Connections: int
    /// The size in bytes of the body of a POST; 0 for a GET.
    Upload: int
    /// Header fields of the request besides the usual ones.
    Headers: int
    /// Whether a connection carries more than one request.
    KeepAlive: bool
    /// Whether Conduit is measured beside itself with other settings, and not beside its peers.
    IsOwn: bool
}

[<RequireQualifiedAccess>]
module Case =

    let private small = {
        Name = "small-64"
        Title = "small bodies, 64 connections"
        Protocol = Protocol.Http1
        Target = "/small"
        Connections = 64
        Upload = 0
        Headers = 0
        KeepAlive = true
        IsOwn = false
    }

    /// All of them, the most important first.
    let all = [
        small
        {
            small with
                Name = "small-512"
                Title = "small bodies, 512 connections"
                Connections = 512
        }
        {
            small with
                Name = "10k-64"
                Title = "10 KB bodies, 64 connections"
                Target = "/10k"
        }
        {
            small with
                Name = "1m-64"
                Title = "1 MB bodies, 64 connections"
                Target = "/1m"
        }
        {
            small with
                Name = "tls-64"
                Title = "small bodies, 64 connections, TLS"
                Protocol = Protocol.Http1Tls
        }
        {
            small with
                Name = "h2-64"
                Title = "small bodies, 64 connections, HTTP/2 over TLS"
                Protocol = Protocol.Http2Tls
        }
        {
            small with
                Name = "small-1"
                Title = "small bodies, 1 connection"
                Connections = 1
        }
        {
            small with
                Name = "small-5000"
                Title = "small bodies, 5,000 connections"
                Connections = 5000
        }
        {
            small with
                Name = "post-64"
                Title = "POST of 10 KB, 64 connections"
                Upload = 10 * 1024
        }
        {
            small with
                Name = "headers-64"
                Title = "40 header fields, 64 connections"
                Headers = 40
        }
        {
            small with
                Name = "close-64"
                Title = "a connection for each request, 64 at once"
                KeepAlive = false
        }
        {
            small with
                Name = "overhead-64"
                Title = "what counting and logging cost: small bodies, 64 connections"
                IsOwn = true
        }
    ]

    let isEncrypted case = case.Protocol <> Protocol.Http1
