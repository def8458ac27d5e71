namespace Conduit.Server.Tests

open System
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

/// Adding, changing and removing backends through the admin API, over real sockets.
module AdminChangeTests =

    let private two = [ "http://10.0.0.1:8081;id=a"; "http://10.0.0.2:8081;id=b;weight=3" ]

    let private backends = "/api/v1/pools/default/backends"

    let private problem (status: int) (name: string) (answer: AdminAnswer) =
        Assert.Equal(status, answer.Status)
        Assert.Equal("application/problem+json", answer.ContentType)
        Assert.Equal($"urn:problem-type:conduit:{name}", answer.Json.GetProperty("type").GetString())
        Assert.Equal(status, answer.Json.GetProperty("status").GetInt32())

    let private text (name: string) (answer: AdminAnswer) =
        answer.Json.GetProperty(name).ToString()

    [<Fact>]
    let ``a backend is added, and gets a name if it has none`` () =
        AdminPorts.run two (fun port -> task {
            let! answer =
                port.Write "POST" backends [] """{"url":"http://10.0.0.9:81/base/","weight":7}"""

            Assert.Equal(201, answer.Status)
            Assert.Equal("10.0.0.9:81/base", text "id" answer)
            Assert.Equal("7", text "weight" answer)
            Assert.Equal(3, port.Targets.Length)

            // Its path has the slash of its name encoded.
            let location = answer.Header "Location"
            Assert.Equal("/api/v1/pools/default/backends/10.0.0.9%3A81%2Fbase", location)
            let! again = port.Get location
            Assert.Equal(200, again.Status)
            Assert.Equal(answer.Etag, again.Etag)
        })

    [<Theory>]
    [<InlineData("a b")>]
    [<InlineData("50%")>]
    [<InlineData("x%2Fy")>]
    [<InlineData("über?#&=+")>]
    let ``any id can be named in a path`` (id: string) =
        AdminPorts.run two (fun port -> task {
            let! added =
                port.Write "POST" backends [] $"""{{"url":"http://10.0.0.9:81","id":"{id}"}}"""

            Assert.Equal(201, added.Status)
            let! found = port.Get(AdminPorts.path id)
            Assert.Equal(id, text "id" found)
            let! removed = port.Send "DELETE" (AdminPorts.path id) [] None
            Assert.Equal(204, removed.Status)
            Assert.Equal(2, port.Targets.Length)
        })

    [<Fact>]
    let ``an id or a URL that is taken is a conflict`` () =
        AdminPorts.run two (fun port -> task {
            let! sameId = port.Write "POST" backends [] """{"url":"http://10.0.0.9","id":"a"}"""
            problem 409 "conflict" sameId

            let! sameUrl =
                port.Write "POST" backends [] """{"url":"http://10.0.0.1:8081/","id":"c"}"""

            problem 409 "conflict" sameUrl

            let! noneMatch =
                port.Write "POST" backends [ "If-None-Match", "*" ] """{"url":"http://10.0.0.9","id":"a"}"""

            problem 412 "precondition" noneMatch
            Assert.Equal(2, port.Targets.Length)

            let! fresh =
                port.Write "POST" backends [ "If-None-Match", "*" ] """{"url":"http://10.0.0.9"}"""

            Assert.Equal(201, fresh.Status)
        })

    [<Fact>]
    let ``every fault of an addition is told at once, and nothing is added`` () =
        AdminPorts.run two (fun port -> task {
            let! answer =
                port.Write "POST" backends [] """{"url":"ftp://x","weight":"3","id":"","wieght":1}"""

            problem 422 "invalid" answer

            let faults = [
                for fault in answer.Json.GetProperty("faults").EnumerateArray() ->
                    string (fault.GetProperty("where").GetString())
            ]

            Assert.Equal<string list>([ "'wieght'"; "url"; "weight"; "id" ], faults)
            Assert.StartsWith("4 faults, ", answer.Json.GetProperty("detail").GetString())
            Assert.Contains("did you mean weight", answer.Text)
            Assert.Equal(2, port.Targets.Length)
        })

    [<Theory>]
    [<InlineData("", 400)>]
    [<InlineData("{", 400)>]
    [<InlineData("{\"url\":\"http://h\",\"url\":\"http://i\"}", 400)>]
    [<InlineData("{\"url\":\"\\ud800\"}", 400)>]
    [<InlineData("{\"url\":\"http://h\"} x", 400)>]
    [<InlineData("[]", 422)>]
    [<InlineData("null", 422)>]
    [<InlineData("{}", 422)>]
    [<InlineData("{\"url\":null}", 422)>]
    [<InlineData("{\"url\":\"http://h\",\"weight\":257}", 422)>]
    [<InlineData("{\"url\":\"http://h\",\"weight\":1.5}", 422)>]
    [<InlineData("{\"url\":\"http://h\",\"weight\":99999999999}", 422)>]
    let ``what is not an addition adds nothing`` (body: string, status: int) =
        AdminPorts.run two (fun port -> task {
            let! answer = port.Write "POST" backends [] body
            Assert.Equal(status, answer.Status)
            Assert.Equal("application/problem+json", answer.ContentType)
            Assert.Equal(2, port.Targets.Length)
        })

    [<Fact>]
    let ``a body of more than a mebibyte is refused`` () =
        // Its client waits before it sends: what nobody takes could break off under it.
        AdminPorts.run two (fun port -> task {
            let! answer =
                port.Write "POST" backends [ "Expect", "100-continue" ] (String(' ', 1024 * 1024 + 1))

            problem 413 "too-large" answer
        })

    [<Fact>]
    let ``a backup is added as one, is shown as one, and can become none`` () =
        AdminPorts.run two (fun port -> task {
            let isBackup (answer: AdminAnswer) =
                answer.Json.GetProperty("backup").GetBoolean()

            let! added =
                port.Write "POST" backends [] """{"url":"http://10.0.0.9:81","id":"c","backup":true}"""

            Assert.Equal((201, true), (added.Status, isBackup added))
            Assert.True (port.Target "c").Backend.Spec.Backup
            // The others are there.
            Assert.DoesNotContain(port.Target "c", port.Ports.Agent.Current.Pools[0].Available)

            let! other = port.Get(AdminPorts.path "a")
            Assert.False(isBackup other)

            let! changed = port.Write "PATCH" (AdminPorts.path "c") [] """{"backup":false}"""
            Assert.Equal((200, false), (changed.Status, isBackup changed))
            Assert.NotEqual<string>(added.Etag, changed.Etag)
            Assert.Contains(port.Target "c", port.Ports.Agent.Current.Pools[0].Available)
        })

    [<Theory>]
    [<InlineData("not-ready", false)>]
    [<InlineData("draining", false)>]
    [<InlineData("disabled", false)>]
    [<InlineData("ready", true)>]
    let ``a state decides whether a backend is available`` (state: string, available: bool) =
        AdminPorts.run two (fun port -> task {
            let! before = port.Write "PATCH" (AdminPorts.path "a") [] """{"state":"not-ready"}"""
            Assert.Equal("not-ready", text "state" before)

            let! answer =
                port.Write "PATCH" (AdminPorts.path "a") [] $"""{{"state":"{state}","weight":9}}"""

            Assert.Equal(200, answer.Status)
            Assert.Equal(state, text "state" answer)
            Assert.Equal("9", text "weight" answer)
            Assert.Equal(available, answer.Json.GetProperty("available").GetBoolean())
            Assert.Equal(available, Backend.isAvailable (port.Target "a").Backend)
        })

    [<Theory>]
    [<InlineData("{}", "asks for nothing")>]
    [<InlineData("{\"state\":\"drain\"}", "did you mean draining")>]
    [<InlineData("{\"state\":true}", "is a true")>]
    [<InlineData("{\"weight\":257}", "out of range")>]
    [<InlineData("{\"url\":\"http://h\"}", "is not known")>]
    let ``a change that cannot be changes nothing`` (body: string, words: string) =
        AdminPorts.run two (fun port -> task {
            let version = port.Ports.Agent.Current.Version
            let! answer = port.Write "PATCH" (AdminPorts.path "a") [] body
            problem 422 "invalid" answer
            Assert.Contains(words, answer.Text)
            Assert.Equal(version, port.Ports.Agent.Current.Version)
        })

    [<Fact>]
    let ``a change may depend on what is configured`` () =
        AdminPorts.run two (fun port -> task {
            let! first = port.Get(AdminPorts.path "a")
            // Live figures do not change the tag.
            (port.Target "a").Gauge.Acquire()
            let! second = port.Get(AdminPorts.path "a")
            Assert.Equal(first.Etag, second.Etag)
            Assert.Matches("^\"[0-9a-f]{16}\"$", first.Etag)

            let change (tag: string) (json: string) =
                port.Write "PATCH" (AdminPorts.path "a") [ "If-Match", tag ] json

            let! changed = change $"\"other\", {first.Etag}" """{"weight":2}"""
            Assert.Equal(200, changed.Status)
            Assert.NotEqual<string>(first.Etag, changed.Etag)

            let! stale = change first.Etag """{"weight":3}"""
            problem 412 "precondition" stale
            let! weak = change $"W/{changed.Etag}" """{"weight":3}"""
            problem 412 "precondition" weak
            Assert.Equal(2, Weight.value (port.Target "a").Backend.Spec.Weight)

            let! any = change "*" """{"weight":1}"""
            Assert.Equal(first.Etag, any.Etag)

            let! kept =
                port.Send "DELETE" (AdminPorts.path "a") [ "If-Match", changed.Etag ] None

            problem 412 "precondition" kept
            let! gone = port.Send "DELETE" (AdminPorts.path "a") [ "If-Match", first.Etag ] None
            Assert.Equal(204, gone.Status)
        })

    [<Fact>]
    let ``of many changes that depend on the same tag one is made`` () =
        AdminPorts.run two (fun port -> task {
            let! first = port.Get(AdminPorts.path "a")

            let! answers =
                Task.WhenAll [
                    for weight in 2..33 ->
                        port.Write
                            "PATCH"
                            (AdminPorts.path "a")
                            [ "If-Match", first.Etag ]
                            $"""{{"weight":{weight}}}"""
                ]

            Assert.Equal(1, answers |> Seq.filter (fun answer -> answer.Status = 200) |> Seq.length)
            Assert.Equal(31, answers |> Seq.filter (fun answer -> answer.Status = 412) |> Seq.length)
        })

    [<Fact>]
    let ``no change comes between a precondition and its change`` () =
        AdminPorts.run two (fun port -> task {
            let! first = port.Get(AdminPorts.path "a")
            // As a reload does.
            do! port.Ports.Writing.WaitAsync()

            let patch =
                port.Write "PATCH" (AdminPorts.path "a") [ "If-Match", first.Etag ] """{"weight":2}"""

            // Reads need not wait, and when these are answered the change has long arrived.
            for _ in 1..20 do
                let! answer = port.Get(AdminPorts.path "a")
                Assert.Equal(first.Etag, answer.Etag)

            Assert.False patch.IsCompleted
            let id = (port.Target "a").Backend.Spec.Id

            let! _ =
                port.Ports.Agent.Update [
                    Event.InPool(PoolName.defaultPool, PoolEvent.AdminSet(id, AdminState.NotReady))
                ]

            port.Ports.Writing.Release() |> ignore
            let! late = patch
            problem 412 "precondition" late
        })
