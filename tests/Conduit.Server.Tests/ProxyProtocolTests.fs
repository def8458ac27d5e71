module Conduit.Server.Tests.ProxyProtocolTests

open System.Net
open System.Text
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

let private from network (settings: Settings) = {
    settings with
        ProxyFrom = AddressSet.parse "test" network |> Result.mapError List.singleton |> Trees.right
}

let private get = "GET / HTTP/1.1\r\nHost: conduit.test\r\n\r\n"

[<Theory>]
[<InlineData("192.0.2.7", "10.0.0.1")>]
[<InlineData("2001:db8::7", "::1")>]
let ``a trusted proxy says who the client is, in both versions`` (client: string, target: string) =
    Balancers.withOneAnd (from "127.0.0.0/8") (Script.always (Script.ok "")) (fun backend running -> task {
        for version in [ ProxyVersion.V1; ProxyVersion.V2 ] do
            use! proxy = running.Connect()

            let header =
                ProxyHeader.write
                    version
                    (IPEndPoint(IPAddress.Parse client, 4711))
                    (IPEndPoint(IPAddress.Parse target, 443))

            // In two pieces, and with the request behind it.
            do! proxy.Send header[..9]
            do! proxy.Send(Array.append header[10..] (Encoding.ASCII.GetBytes get))
            let! response = proxy.ReadResponse()
            Assert.Equal(200, Message.status response)

        for request in backend.Requests do
            Assert.Equal(Some client, Message.value "X-Forwarded-For" request)
    })

[<Fact>]
let ``a trusted proxy without a header is refused`` () =
    Balancers.withOneAnd (from "127.0.0.1") (Script.always (Script.ok "")) (fun backend running -> task {
        use! client = running.Connect()
        do! client.Send get
        let! rest, _ = client.Wire.ReadToEnd()
        Assert.Empty rest
        Assert.Empty backend.Requests
        Assert.Contains(running.Log.Warnings, fun line -> line.Contains "PROXY protocol: there is no header")
    })

[<Fact>]
let ``nobody else's header is believed`` () =
    Balancers.withOneAnd (from "10.0.0.0/8") (Script.always (Script.ok "")) (fun backend running -> task {
        use! client = running.Connect()
        let! response = client.Ask("PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n" + get)
        Assert.Equal(400, Message.status response)
        Assert.Empty backend.Requests
        let! own = running.Get "/"
        Assert.Equal(200, Message.status own)
        Assert.Equal(Some "127.0.0.1", Message.value "X-Forwarded-For" backend.Request)
    })

[<Theory>]
[<InlineData "v1">]
[<InlineData "v2">]
let ``a backend that wants it is told who the client is, on a connection for that request`` (name: string) =
    let version = Upstream.proxyVersions |> List.find (fst >> (=) name) |> snd
    let clients = System.Collections.Concurrent.ConcurrentQueue<ProxyHeader>()

    let script: Script =
        fun connection -> task {
            let! head = connection.Wire.ReadExactly(if name = "v1" then 6 else 16)

            if name = "v1" then
                let! rest = connection.Wire.ReadThrough "\r\n"

                clients.Enqueue(
                    ProxyHeader.read (
                        System.ReadOnlySpan(Array.append head (Encoding.ASCII.GetBytes(Option.get rest)))
                    )
                )
            else
                let! rest = connection.Wire.ReadExactly(int head[15])
                clients.Enqueue(ProxyHeader.read (System.ReadOnlySpan(Array.append head rest)))

            match! connection.ReadRequest() with
            | Some _ -> do! connection.Send(Script.ok "")
            | None -> ()

            do! connection.Left()
        }

    let change (settings: Settings) = {
        settings with
            Pool = {
                settings.Pool with
                    Upstream = {
                        Upstream.defaults with
                            SendProxy = version
                    }
            }
    }

    Balancers.withOneAnd change script (fun _ running -> task {
        use! client = running.Connect()

        for _ in 1..2 do
            let! response = client.Ask get
            Assert.Equal(200, Message.status response)

        Assert.Equal(2, clients.Count)

        for header in clients do
            match header with
            | ProxyHeader.Complete(_, Some client) -> Assert.Equal(IPAddress.Loopback, client.Address)
            | other -> failwith $"%A{other}"
    })

[<Fact>]
let ``a proxy that says nothing is broken off when Conduit stops, and that is no defect`` () =
    Balancers.withOneAnd (from "127.0.0.1") (Script.always (Script.ok "")) (fun _ running -> task {
        use! silent = running.Connect()
        use! slow = running.Connect()
        do! slow.Send "PROXY TCP4"
        // Who comes after them is answered: so they are accepted.
        use! third = running.Connect()
        let! response = third.Ask("PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n" + get)
        Assert.Equal(200, Message.status response)
        let! _ = running.Stop()
        let! rest, _ = silent.Wire.ReadToEnd()
        Assert.Empty rest
    })
