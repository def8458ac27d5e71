namespace Conduit.SystemTests

open System
open System.Net
open System.Net.Http
open System.Net.Sockets
open System.Text.Json
open System.Threading.Tasks
open Xunit
open Xunit.Abstractions

/// The PROXY protocol as HAProxy speaks it.
[<Collection(SystemCollection.name)>]
type ProxyProtocolTests(output: ITestOutputHelper) =

    /// A GET from an address of this machine; all of 127.0.0.0/8 is.
    let getFrom (source: string) (url: string) : Task<string> = task {
        let source = IPAddress.Parse source

        let connect (context: SocketsHttpConnectionContext) cancellation =
            ValueTask<IO.Stream>(
                task {
                    let socket = new Socket(source.AddressFamily, SocketType.Stream, ProtocolType.Tcp)

                    socket.Bind(IPEndPoint(source, 0))
                    do! socket.ConnectAsync(context.DnsEndPoint, cancellation)
                    return new NetworkStream(socket, ownsSocket = true) :> IO.Stream
                }
            )

        use client =
            new HttpClient(
                new SocketsHttpHandler(ConnectCallback = Func<_, _, _>(connect), UseProxy = false),
                Timeout = TimeSpan.FromSeconds 10.0
            )

        return! client.GetStringAsync url
    }

    /// What the backend was told of the client.
    let forwardedFor (echo: string) =
        use document = JsonDocument.Parse echo

        [
            for value in
                document.RootElement.GetProperty("headers").GetProperty("X-Forwarded-For").EnumerateArray() ->
                string (value.GetString())
        ]

    [<Theory>]
    [<InlineData "send-proxy">]
    [<InlineData "send-proxy-v2">]
    member _.``HAProxy in front tells who the client is``(sends: string) : Task = task {
        use! backend = SampleBackend.Start "a"

        use conduit =
            new ConfiguredConduit(
                output,
                ", proxy_protocol: [127.0.0.1/32]",
                [ $"backends: [\"{backend.Url}\"]" ]
            )

        do! conduit.Ready()
        let port = Ports.free ()

        use! _ =
            Haproxy.Start(
                [
                    "listen front"
                    "    mode tcp"
                    $"    bind 127.0.0.1:{port}"
                    $"    bind [::1]:{port}"
                    $"    server conduit 127.0.0.1:{conduit.Port} {sends}"
                ],
                port
            )

        let! four = getFrom "127.0.0.5" $"http://127.0.0.1:{port}/echo"
        Assert.Equal<string list>([ "127.0.0.5" ], forwardedFor four)
        let! six = getFrom "::1" $"http://[::1]:{port}/echo"
        Assert.Equal<string list>([ "::1" ], forwardedFor six)
    }

    [<Theory>]
    [<InlineData "v1">]
    [<InlineData "v2">]
    member _.``HAProxy behind takes what it is told of the client``(sends: string) : Task = task {
        let port = Ports.free ()
        let plain = Ports.free ()

        use! _ =
            Haproxy.Start(
                [
                    "frontend behind"
                    "    mode http"
                    $"    bind 127.0.0.1:{port} accept-proxy"
                    // A port to wait for: whoever connects to the other one must say who he is.
                    $"    bind 127.0.0.1:{plain}"
                    "    http-request return status 200 content-type text/plain lf-string \"%[src]\""
                ],
                plain
            )

        use conduit =
            new ConfiguredConduit(
                output,
                [
                    "pools:"
                    "  default:"
                    $"    send_proxy: {sends}"
                    // Checks would be asked for the header too, and it is traffic that is looked at.
                    $"    backends: [\"http://127.0.0.1:{port}\"]"
                ]
            )

        do! conduit.Ready()
        let! four = getFrom "127.0.0.7" $"http://127.0.0.1:{conduit.Port}/"
        Assert.Equal("127.0.0.7", four)
        let! six = getFrom "::1" $"http://[::1]:{conduit.Port}/"
        Assert.Equal("::1", six)
    }
