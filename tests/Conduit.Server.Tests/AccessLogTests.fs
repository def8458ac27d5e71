module Conduit.Server.Tests.AccessLogTests

open System
open System.IO
open System.Text.Json
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

let private settings file : AccessLogConfig = {
    AccessLogConfig.defaults with
        LogFile = Some file
        Format = LogFormat.Json
}

let private withLog log (settings: Settings) = { settings with AccessLog = Some log }

let private withId (settings: Settings) = {
    settings with
        RequestId = HeaderName.create "test" "X-Request-Id" |> Result.toOption
}

/// Runs a test with a file for the log.
let private inFile (test: string -> Task) : Task = task {
    use directory = new ConfigDirectory()
    do! test (directory.Path "access.log")
}

/// Waits for so many lines.
let private lines (file: string) count : Task<JsonElement list> = task {
    let read () =
        if File.Exists file then File.ReadAllLines file else [||]

    do! Eventually.holds $"{count} lines are written" (fun () -> (read ()).Length >= count)
    let lines = read ()
    Assert.Equal(count, lines.Length)
    return [ for line in lines -> JsonDocument.Parse(line).RootElement ]
}

let private text (name: string) (line: JsonElement) = (line.GetProperty name).GetString()
let private number (name: string) (line: JsonElement) = (line.GetProperty name).GetDouble()

let private isNull (name: string) (line: JsonElement) =
    (line.GetProperty name).ValueKind = JsonValueKind.Null

[<Fact>]
let ``a line tells all there is to tell of a request`` () =
    inFile (fun file ->
        Balancers.withOneAnd
            (withLog (settings file))
            (Script.always (Script.ok "hello"))
            (fun backend running -> task {
                let! _ =
                    running.Ask
                        "POST /a?b=%0a HTTP/1.1\r\nHost: conduit.test\r\nUser-Agent: \"x\"\tÿ\r\nContent-Length: 3\r\n\r\nabc"

                let! lines = lines file 1
                let line = lines.Head
                Assert.Equal("127.0.0.1", text "client" line)
                Assert.Equal("http", text "scheme" line)
                Assert.Equal("HTTP/1.1", text "protocol" line)
                Assert.Equal("POST", text "method" line)
                Assert.Equal("conduit.test", text "host" line)
                Assert.Equal("/a?b=%0a", text "target" line)
                Assert.StartsWith("\"x\"\t", text "user_agent" line)
                Assert.True(isNull "referer" line)
                Assert.Equal(200.0, number "status" line)
                Assert.Equal(3.0, number "received_bytes" line)
                Assert.Equal(5.0, number "sent_bytes" line)
                Assert.Equal(1.0, number "tries" line)
                Assert.Equal("default", text "pool" line)
                Assert.Equal(backend.Url, text "backend" line)
                Assert.True(isNull "cause" line)
                Assert.True(number "first_byte_ms" line > 0.0)
                Assert.True(number "duration_ms" line >= number "first_byte_ms" line)

                let age = DateTime.UtcNow - (line.GetProperty "time").GetDateTime()
                Assert.InRange(age, TimeSpan.FromSeconds -1.0, TimeSpan.FromMinutes 5.0)
            }))

[<Fact>]
let ``a request that failed has its cause, its tries and the backend that was tried last`` () =
    inFile (fun file -> task {
        use refusing = new RefusingPort()

        do!
            Balancers.run (withLog (settings file)) [ refusing.Url ] (fun running -> task {
                let! answer = running.Get "/"
                let! lines = lines file 1
                let line = lines.Head
                Assert.Equal(float (Message.status answer), number "status" line)
                Assert.Equal(refusing.Url, text "backend" line)
                Assert.True(number "tries" line >= 1.0)
                Assert.Contains("connect", text "cause" line)
                Assert.True(isNull "first_byte_ms" line)
            })
    })

[<Fact>]
let ``only the share that is asked for has lines, and all that failed`` () =
    inFile (fun file ->
        let none = { settings file with Sample = 0.0 }

        let answer =
            Script.answering (fun request ->
                if Message.target request = "/bad" then
                    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
                else
                    Script.ok "hello")

        Balancers.withOneAnd (withLog none) answer (fun _ running -> task {
            for target in [ "/good"; "/bad"; "/good" ] do
                let! _ = running.Get target
                ()

            let! lines = lines file 1
            Assert.Equal("/bad", text "target" lines.Head)
        }))

[<Fact>]
let ``a file that was renamed is opened anew under its name`` () =
    inFile (fun file ->
        Balancers.withOneAnd (withLog (settings file)) (Script.always (Script.ok "hello")) (fun _ running -> task {
            let! _ = running.Get "/1"
            let! _ = lines file 1
            File.Move(file, file + ".1")
            let! _ = running.Get "/2"
            let! _ = lines (file + ".1") 2
            running.Balancer.ReopenLogs()
            let! _ = running.Get "/3"
            let! last = lines file 1
            Assert.Equal("/3", text "target" last.Head)
        }))

[<Fact>]
let ``a file that was cut off is written from its beginning`` () =
    inFile (fun file ->
        Balancers.withOneAnd (withLog (settings file)) (Script.always (Script.ok "hello")) (fun _ running -> task {
            let! _ = running.Get "/1"
            let! _ = lines file 1
            File.WriteAllText(file, "")
            let! _ = running.Get "/2"
            let! last = lines file 1
            Assert.Equal("/2", text "target" last.Head)
        }))

[<Fact>]
let ``where no line can be written it does not start`` () = task {
    use log = new CapturedLog()
    let nowhere = "/no/such/directory/access.log"

    let settings =
        Balancers.settings [ "http://127.0.0.1:1" ] |> withLog (settings nowhere)

    let! failure =
        Assert.ThrowsAnyAsync<exn>(fun () -> task {
            let! _ = Balancers.start log settings
            ()
        })

    Assert.Contains("access_log.file: lines cannot be written there", failure.Message)
}

[<Fact>]
let ``what cannot be written is dropped, counted, and told once`` () = task {
    if OperatingSystem.IsLinux() then
        use log = new CapturedLog()
        use access = new AccessLog(Log log.Factory)
        access.Apply(Some(settings "/dev/full"))
        let deadlines = Deadlines.Shared

        for number in 1..2 do
            let exchange =
                Exchange(
                    Lifetime(),
                    deadlines,
                    fun () -> {
                        Conduit.Server.Entry.plain with
                            Clients = ClientLimits.any
                    }
                )

            exchange.Begin(Microsoft.AspNetCore.Http.DefaultHttpContext().Features)
            exchange.Record.Begin 0L
            access.Write(AddressSet.empty, exchange)
            deadlines.Forget exchange

            do! Eventually.holds "the line is dropped" (fun () -> access.Lines.Dropped.Value = int64 number)

        Assert.Equal(0L, access.Lines.Written.Value)
        Assert.Equal(1, log.Errors.Length)
}

let private asked (id: string) =
    $"GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: {id}\r\n\r\n"

[<Fact>]
let ``an id is kept where it is valid, else made, passed on, returned, and in the line`` () =
    inFile (fun file ->
        Balancers.withOneAnd
            (withLog (settings file) >> withId)
            (Script.always (Script.ok "hello"))
            (fun backend running -> task {
                for request in
                    [
                        asked "abc-123"
                        asked "a b"
                        asked (String('a', 129))
                        "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
                    ] do
                    let! answer = running.Ask request
                    let returned = Message.value "X-Request-Id" answer
                    let passed = backend.Requests |> List.last |> Message.value "X-Request-Id"
                    Assert.Equal(returned, passed)

                let! lines = lines file 4
                let ids = lines |> List.map (text "request_id")
                Assert.Equal("abc-123", ids.Head)

                for id in ids.Tail do
                    Assert.Matches("^[0-9a-f]{32}$", id)

                Assert.Equal(4, List.distinct ids |> List.length)
            }))

[<Fact>]
let ``an answer of Conduit's own has the id as well`` () = task {
    use refusing = new RefusingPort()

    do!
        Balancers.run withId [ refusing.Url ] (fun running -> task {
            let! answer = running.Ask(asked "abc")
            Assert.Equal(Some "abc", Message.value "X-Request-Id" answer)
        })
}
