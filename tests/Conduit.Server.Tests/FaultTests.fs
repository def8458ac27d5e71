module Conduit.Server.Tests.FaultTests

open System
open System.IO
open System.Net.Sockets
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

/// How the client's request may end.
type private Ended =
    /// With an answer of Conduit's own.
    | Own of status: int
    /// With the backend's answer, whole and untouched.
    | Whole
    /// With a connection that was cut before the answer was whole.
    | Cut

/// The size of the answer's body; its bytes name the request that it belongs to.
let private size = 2000

let private head =
    $"HTTP/1.1 200 OK\r\nX-Backend: yes\r\nContent-Length: {size}\r\n\r\n"

let private bodyOf (target: string) =
    String.replicate (size / target.Length + 1) target
    |> fun text -> text.Substring(0, size)

let private backend: Script =
    Script.answering (fun request -> head + bodyOf (Message.target request))

/// A GET, and a PUT with a body that takes many packets.
let private get target =
    $"GET {target} HTTP/1.1\r\nHost: conduit.test\r\n\r\n"

let private put target =
    let body = String('b', 50_000)
    $"PUT {target} HTTP/1.1\r\nHost: conduit.test\r\nContent-Length: {body.Length}\r\n\r\n{body}"

/// Sends the request and says how it ended; anything but one of the three is a failure.
let private ask (running: Running) (request: string -> string) target = task {
    use! client = running.Connect()

    try
        do! client.Send(request target)
        let! response = client.ReadResponse()

        match Message.status response with
        | 200 when Message.has "X-Backend" response && Message.text response = bodyOf target -> return Whole
        | 200 -> return failwith $"a wrong 200: {response.Start}, {response.Body.Length} bytes"
        | status -> return Own status
    with
    | :? EndOfStreamException
    | :? IOException
    | :? SocketException -> return Cut
    | error when error.Message.Contains "closed instead of a response" -> return Cut
}

/// No further tries, so that each fault shows as it is.
let private untried (settings: Settings) = {
    settings with
        Pool = { settings.Pool with Retry.Most = 0 }
}

/// Short timeouts, where the balancer must give up.
let private impatient (settings: Settings) =
    let settings = untried settings

    {
        settings with
            Pool = {
                settings.Pool with
                    Timeouts = {
                        settings.Pool.Timeouts with
                            Response = TimeSpan.FromMilliseconds 400.0
                            Idle = TimeSpan.FromMilliseconds 400.0
                    }
            }
    }

let private settingsFor fault =
    if fault = BlackHole then impatient else untried

/// The places of a response where something can go wrong.
let private places = [
    "before the head", 0
    "within the head", 20
    "between head and body", head.Length
    "within the body", head.Length + 700
    "after the body", head.Length + size
]

/// What may become of a GET. What comes after the whole answer can no longer change it.
let private expected fault place =
    match fault, place with
    | (Drip | Latency | Bandwidth), _ -> [ Whole ]
    | _, "after the body" -> [ Whole ]
    | BlackHole, ("before the head" | "within the head") -> [ Own 504 ]
    | BlackHole, "between head and body" -> [ Cut; Own 502; Own 504 ]
    | _, ("before the head" | "within the head") -> [ Own 502 ]
    // The head may be out already, or not.
    | _, "between head and body" -> [ Cut; Own 502 ]
    | _ -> [ Cut ]

let private faults = [ Reset; Close; HalfClose; BlackHole; Garbage; Drip; Latency; Bandwidth ]

/// Garbage in the middle of a body of known length is the body, as far as anybody can tell.
let private isTelling fault place =
    fault <> Garbage || place = "before the head" || place = "within the head"

let inResponses: TheoryData<string, string> =
    let data = TheoryData<string, string>()

    for fault in faults do
        for place, _ in places do
            if isTelling fault place then
                data.Add(string fault, place)

    data

let private named name =
    faults |> List.find (fun fault -> string fault = name)

/// After a fault the next requests get their own answers, over connections that work, and nothing is left over.
let private afterwards (relay: FaultRelay) (running: Running) : Task = task {
    let faultWas = relay.Fault |> Option.map fst
    relay.Fault <- None

    // Nobody can know that nothing comes over a kept connection any more, before something is asked.
    if faultWas = Some BlackHole then
        let! ended = ask running get "/lost"
        Assert.Contains(ended, [ Whole; Own 504 ])

    for number in 1..3 do
        let! ended = ask running get $"/next/{number}"
        Assert.Equal(Whole, ended)

    do! Eventually.holds "no request is in flight" (fun () -> running.InFlight = 0)
    do! Eventually.holds "one connection is left at most" (fun () -> relay.Open <= 1)
}

let private withRelay fault point (test: FaultRelay -> Running -> Task) : Task = task {
    use server = ScriptedBackend.Start backend
    use relay = FaultRelay.Start server.Port
    relay.Fault <- Some(fault, point)
    do! Balancers.run (settingsFor fault) [ relay.Url ] (test relay)
    Assert.Empty server.Failures
}

[<Theory>]
[<MemberData(nameof inResponses)>]
let ``A fault in the response is answered for, or cuts the connection, and harms no other request``
    (fault: string, place: string)
    =
    let bytes = places |> List.find (fst >> (=) place) |> snd

    withRelay (named fault) (InResponse bytes) (fun relay running -> task {
        let! ended = ask running get "/faulty"
        Assert.Contains(ended, expected (named fault) place)
        do! afterwards relay running
    })

let inRequests: TheoryData<string, int> =
    let data = TheoryData<string, int>()

    for fault in [ Reset; Close; BlackHole; Drip; Latency; Bandwidth ] do
        for bytes in [ 0; 20; 20_000 ] do
            // A drip would take longer than a test may.
            if fault <> Drip || bytes = 20 then
                data.Add(string fault, bytes)

    data

[<Theory>]
[<MemberData(nameof inRequests)>]
let ``A fault in the request is answered for, and harms no other request`` (fault: string, bytes: int) =
    withRelay (named fault) (InRequest bytes) (fun relay running -> task {
        let request = if fault = "Drip" then get else put
        let! ended = ask running request "/faulty"

        Assert.Contains(
            ended,
            match named fault with
            | Drip
            | Latency
            | Bandwidth -> [ Whole ]
            | BlackHole -> [ Own 504 ]
            | _ -> [ Own 502 ]
        )

        do! afterwards relay running
    })

let private tooLittle =
    let body = bodyOf "/"
    $"HTTP/1.1 200 OK\r\nContent-Length: {size + 500}\r\n\r\n{body}"

/// What a backend says that it should not, and what may become of it.
let private misbehaviours: (string * string * Ended list) list = [
    "a header of 100 KB",
    "HTTP/1.1 200 OK\r\nX: "
    + String('x', 100_000)
    + "\r\nContent-Length: 0\r\n\r\n",
    [ Own 502 ]
    "headers without end",
    "HTTP/1.1 200 OK\r\n" + String.replicate 20_000 "X-Header: value\r\n",
    [ Own 502; Own 504 ]
    "less than the length says", tooLittle, [ Cut ]
    "two lengths", $"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", [ Own 502 ]
    "a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", [ Own 502 ]
    "no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", [ Own 502 ]
    "a chunk without a size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", [ Own 502; Cut ]
    "chunks without end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", [ Cut ]
]

let misbehaving: TheoryData<string> =
    TheoryData<string>(misbehaviours |> List.map (fun (name, _, _) -> name))

[<Theory>]
[<MemberData(nameof misbehaving)>]
let ``What a backend says wrongly never becomes a wrong 200`` (name: string) = task {
    let _, response, expected =
        misbehaviours |> List.find (fun (each, _, _) -> each = name)

    use server =
        ScriptedBackend.Start(Script.inTurn [ Script.closing response; backend ])

    do!
        Balancers.run impatient [ server.Url ] (fun running -> task {
            let! ended = ask running get "/faulty"
            Assert.Contains(ended, expected)
            let! ended = ask running get "/next"
            Assert.Equal(Whole, ended)
        })
}

[<Fact>]
let ``More than the length says is never taken for the next answer`` () = task {
    let tooMuch = head + bodyOf "/first" + head + bodyOf "/wrong"
    use server = ScriptedBackend.Start(Script.inTurn [ Script.always tooMuch; backend ])

    do!
        Balancers.run untried [ server.Url ] (fun running -> task {
            for target in [ "/first"; "/second"; "/third" ] do
                let! ended = ask running get target
                Assert.Equal(Whole, ended)
        })
}

[<Fact>]
let ``A response without end goes on for as long as the client reads, and ends with the client`` () = task {
    let endless: Script =
        Script.once (fun connection _ -> task {
            do! connection.Send "HTTP/1.1 200 OK\r\n\r\n"
            let piece = String('e', 10_000)

            while true do
                do! connection.Send piece
        })

    use server = ScriptedBackend.Start endless

    do!
        Balancers.run untried [ server.Url ] (fun running -> task {
            do! task {
                use! client = running.Connect()
                do! client.Send(get "/")
                let! _ = client.ReadHead()
                do! client.Wire.Skip 5_000_000L
                client.Reset()
            }

            do! Eventually.holds "the backend is let go" (fun () -> server.Open = 0)
            do! Eventually.holds "no request is in flight" (fun () -> running.InFlight = 0)
        })
}

[<Fact>]
let ``Connections that are refused, or accepted and closed at once, are a 502`` () = task {
    use refusing = new RefusingPort()

    do!
        Balancers.run untried [ refusing.Url ] (fun running -> task {
            let! ended = ask running get "/"
            Assert.Equal(Own 502, ended)
        })

    use server = ScriptedBackend.Start backend
    use relay = FaultRelay.Start server.Port
    relay.Fault <- Some(Close, InRequest 0)

    do!
        Balancers.run untried [ relay.Url ] (fun running -> task {
            let! ended = ask running get "/"
            Assert.Equal(Own 502, ended)
            do! afterwards relay running
        })
}
