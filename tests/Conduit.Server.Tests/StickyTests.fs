module Conduit.Server.Tests.StickyTests

open System
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

let private secret =
    match Secret.token "test" "0123456789abcdef" with
    | Ok secret -> secret
    | Error fault -> failwith (Fault.render fault)

let private cookieNamed name : StickySettings = {
    By = StickyBy.Cookie name
    Timeout = TimeSpan.FromHours 1.0
    MaxSessions = 1000
    CleanupInterval = None
    Key = Some secret
}

let private sticky (sticky: StickySettings) (settings: Settings) = {
    settings with
        Pool = {
            settings.Pool with
                Sticky = Some sticky
        }
}

/// Backends that answer with their number, and a cookie of their own.
let private backends count = [
    for number in 1..count ->
        ScriptedBackend.Start(
            Script.always
                $"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nSet-Cookie: own={number}; Path=/\r\n\r\n{number}"
        )
]

let private dispose (backends: ScriptedBackend list) =
    for backend in backends do
        Assert.Empty backend.Failures
        (backend :> IDisposable).Dispose()

/// Runs a test with a balancer in front of so many backends.
let private withBackends count change (test: ScriptedBackend list -> Running -> Task) : Task = task {
    let backends = backends count

    try
        do! Balancers.run change (backends |> List.map _.Url) (test backends)
    finally
        dispose backends
}

let private ask (running: Running) fields =
    running.Ask $"GET / HTTP/1.1\r\nHost: conduit.test\r\n{fields}\r\n"

/// The cookie that a response sets, as it is sent back.
let private given name response =
    Message.values "Set-Cookie" response
    |> List.tryFind _.StartsWith($"{name}=")
    |> Option.map _.Split(';').[0]

let private withCookie (running: Running) (cookie: string) =
    ask running $"Cookie: theme=dark; {cookie}; x=y\r\n"

let private text = Message.text

let private setState (running: Running) number admin = task {
    let id = running.Backends[number].Spec.Id

    let! _ =
        running.Balancer.Agent.Update [ Event.InPool(PoolName.defaultPool, PoolEvent.AdminSet(id, admin)) ]

    ()
}

[<Fact>]
let ``A client with its cookie stays where it is, and others are balanced`` () =
    withBackends 3 (sticky (cookieNamed "sid")) (fun _ running -> task {
        let! first = ask running ""
        let cookie = (given "sid" first).Value
        Assert.Equal(2, (Message.values "Set-Cookie" first).Length)

        let set = Message.values "Set-Cookie" first |> List.find _.StartsWith("sid=")

        Assert.EndsWith("; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax", set)
        Assert.DoesNotContain("127.0.0.1", set)

        for _ in 1..20 do
            let! response = withCookie running cookie
            Assert.Equal(text first, text response)
            // It is set once.
            Assert.Equal(None, given "sid" response)

        let! others = Task.WhenAll [ for _ in 1..6 -> ask running "" ]
        Assert.Equal(3, others |> Array.distinctBy text |> Array.length)
    })

[<Fact>]
let ``A cookie that is made up, changed or of another pool's name is passed over, and a new one set`` () =
    withBackends 3 (sticky (cookieNamed "sid")) (fun _ running -> task {
        let! first = ask running ""
        let cookie = (given "sid" first).Value
        let last = cookie[cookie.Length - 1]
        let changed = cookie.Remove(cookie.Length - 1) + (if last = 'A' then "B" else "A")

        for wrong in
            [
                changed
                "sid=1"
                "sid=" + String('A', 64)
                "sid="
                cookie.Replace("sid=", "SID=")
            ] do
            let! response = withCookie running wrong
            Assert.True((given "sid" response).IsSome, wrong)
    })

[<Fact>]
let ``Another process with the key understands the cookie, one without it does not`` () = task {
    let backends = backends 3
    let urls = backends |> List.map _.Url

    let same (change: Settings -> Settings) (cookie: string) (where: string) isSame =
        Balancers.run change urls (fun running -> task {
            for _ in 1..3 do
                let! response = withCookie running cookie
                Assert.Equal(not isSame, (given "sid" response).IsSome)

                if isSame then
                    Assert.Equal(where, text response)
        })

    try
        let mutable cookie, where = "", ""

        do!
            Balancers.run (sticky (cookieNamed "sid")) urls (fun running -> task {
                let! first = ask running ""
                cookie <- (given "sid" first).Value
                where <- text first
            })

        do!
            same
                (sticky {
                    cookieNamed "sid" with
                        Timeout = TimeSpan.FromHours 1.5
                })
                cookie
                where
                true

        do! same (sticky { cookieNamed "sid" with Key = None }) cookie where false
    finally
        dispose backends
}

[<Fact>]
let ``A backend that drains keeps its sessions and gets no new ones; one that is out loses them once`` () =
    withBackends 2 (sticky (cookieNamed "sid")) (fun _ running -> task {
        let! first = ask running ""
        let cookie = (given "sid" first).Value
        let number = int (text first) - 1

        do! setState running number AdminState.Draining
        let! stays = withCookie running cookie
        Assert.Equal(text first, text stays)

        for _ in 1..4 do
            let! other = ask running ""
            Assert.NotEqual<string>(text first, text other)

        do! setState running number AdminState.NotReady
        let! moved = withCookie running cookie
        Assert.NotEqual<string>(text first, text moved)
        let newCookie = (given "sid" moved).Value
        do! setState running number AdminState.Ready

        for _ in 1..4 do
            let! response = withCookie running newCookie
            Assert.Equal(text moved, text response)
    })

[<Fact>]
let ``A request that is tried again takes its session along`` () = task {
    use refusing = new RefusingPort()
    let backends = backends 1

    try
        do!
            Balancers.run (sticky (cookieNamed "sid")) [ refusing.Url; backends.Head.Url ] (fun running -> task {
                for _ in 1..2 do
                    let! response = ask running ""
                    Assert.Equal("1", text response)
                    let cookie = (given "sid" response).Value
                    let! again = withCookie running cookie
                    Assert.Equal(None, given "sid" again)
                    Assert.InRange(running.Failures[0], 1L, 2L)
            })
    finally
        dispose backends
}

/// Clients are whom `X-Forwarded-For` says they are.
let private behindProxy (settings: Settings) =
    match AddressSet.parse "test" "127.0.0.1" with
    | Ok proxies -> {
        settings with
            TrustedProxies = proxies
      }
    | Error fault -> failwith (Fault.render fault)

let private byAddress =
    sticky {
        cookieNamed "" with
            By = StickyBy.Client
    }

[<Fact>]
let ``By address, each client stays where it is, and moves once when its backend is out`` () =
    withBackends 3 (byAddress >> behindProxy) (fun _ running -> task {
        let from client =
            ask running $"X-Forwarded-For: {client}\r\n"

        let clients = [ for n in 1..9 -> $"10.0.0.{n}" ]
        let where = System.Collections.Generic.Dictionary<string, string>()

        for client in clients do
            let! response = from client
            Assert.Equal(1, (Message.values "Set-Cookie" response).Length)
            where[client] <- text response

        Assert.Equal(3, where.Values |> Seq.distinct |> Seq.length)

        for client in clients @ clients do
            let! response = from client
            Assert.Equal(where[client], text response)

        do! setState running 0 AdminState.NotReady

        for client in clients do
            let! response = from client

            if where[client] <> "1" then
                Assert.Equal(where[client], text response)

            where[client] <- text response

        Assert.DoesNotContain("1", where.Values)
        do! setState running 0 AdminState.Ready

        for client in clients do
            let! response = from client
            Assert.Equal(where[client], text response)
    })

[<Fact>]
let ``By address too, a backend that drains keeps its sessions and gets no new ones`` () =
    withBackends 2 (byAddress >> behindProxy) (fun _ running -> task {
        let from (client: int) = task {
            let! response = ask running $"X-Forwarded-For: 10.0.0.{client}\r\n"
            return text response
        }

        let! first = from 1
        do! setState running (int first - 1) AdminState.Draining

        for client in 2..5 do
            let! stays = from 1
            Assert.Equal(first, stays)
            let! another = from client
            Assert.NotEqual<string>(first, another)

        // What is new in the meantime stays where it began.
        do! setState running (int first - 1) AdminState.Ready

        for client in 2..5 do
            let! stays = from client
            Assert.NotEqual<string>(first, stays)
    })

[<Fact>]
let ``What has no effect is told`` () =
    let interval = {
        cookieNamed "sid" with
            CleanupInterval = Some(TimeSpan.FromHours 1.0)
    }

    withBackends 1 (sticky interval) (fun _ running -> task {
        Assert.Contains(
            running.Log.Warnings,
            (fun (line: string) -> line.Contains "cleanup_interval has no effect")
        )
    })

[<Fact>]
let ``Without a key one is made, and the log says so`` () =
    withBackends 1 (sticky { cookieNamed "sid" with Key = None }) (fun _ running -> task {
        let! first = ask running ""
        let! second = withCookie running (given "sid" first).Value
        Assert.Equal(None, given "sid" second)

        Assert.Contains(
            running.Log.Warnings,
            (fun (line: string) -> line.Contains "sticky_session has no key")
        )
    })

let private limited most (settings: Settings) = {
    settings with
        Pool = {
            settings.Pool with
                Limit =
                    Some {
                        Most = most
                        QueueLength = 10
                        QueueTimeout = Eventually.patience
                    }
        }
}

/// Answers with a number; a request for `/held` only once the gate opens.
let private holding (gate: Task) (number: int) : Script =
    fun connection -> task {
        let mutable going = true

        while going do
            match! connection.ReadRequest() with
            | None -> going <- false
            | Some request ->
                if Message.target request = "/held" then
                    do! gate

                do! connection.Send(Script.ok (string number))
    }

/// A session stays with a backend that is merely full: what goes elsewhere in the meantime does not take it along.
let private staysWithFull change start (fields: Message -> string) : Task = task {
    let gate = TaskCompletionSource()
    use one = ScriptedBackend.Start(holding gate.Task 1)
    use other = ScriptedBackend.Start(holding gate.Task 2)

    do!
        Balancers.run (change >> limited 1) [ one.Url; other.Url ] (fun running -> task {
            let are count =
                Eventually.holds $"{count} requests are in flight" (fun () -> running.InFlight = count)

            let! first = ask running start
            let own = fields first
            do! are 0

            let held = running.Ask $"GET /held HTTP/1.1\r\nHost: conduit.test\r\n{own}\r\n"

            for _ in 1..3 do
                do! are 1
                let! elsewhere = ask running own
                Assert.Equal(200, Message.status elsewhere)
                Assert.NotEqual<string>(text first, text elsewhere)
                Assert.False(Message.has "Set-Cookie" elsewhere)

            gate.SetResult()
            let! held = held
            Assert.Equal(text first, text held)

            for _ in 1..3 do
                do! are 0
                let! back = ask running own
                Assert.Equal(text first, text back)
        })
}

[<Fact>]
let ``A session by cookie stays with a backend that is full for a while`` () =
    staysWithFull (sticky (cookieNamed "sid")) "" (fun response ->
        match given "sid" response with
        | Some cookie -> $"Cookie: {cookie}\r\n"
        | None -> "")

[<Fact>]
let ``A session by address stays with a backend that is full for a while`` () =
    let client = "X-Forwarded-For: 10.0.0.1\r\n"
    staysWithFull (byAddress >> behindProxy) client (fun _ -> client)

[<Fact>]
let ``An answer that is Conduit's own sets no cookie`` () = task {
    use refusing = new RefusingPort()

    do!
        Balancers.run (sticky (cookieNamed "sid")) [ refusing.Url ] (fun running -> task {
            let! response = ask running ""
            Assert.Equal(502, Message.status response)
            Assert.False(Message.has "Set-Cookie" response)
        })
}
