namespace Conduit.Server.Tests

open System
open System.IO
open System.Net.Http
open System.Text.Json
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Xunit
open Conduit
open Conduit.Server

/// The stream of events.
module AdminEventsTests =

    /// Reads one block of a stream, up to its empty line.
    let private block (reader: TextReader) = task {
        let mutable lines = []
        let mutable reading = true

        while reading do
            let! line = reader.ReadLineAsync() |> Eventually.finishes "a line of the stream"

            match line with
            | null
            | "" -> reading <- false
            | line -> lines <- lines @ [ line ]

        return lines
    }

    let private listen (port: AdminPort) = task {
        let! answer =
            port.Client.GetAsync("/api/v1/events", HttpCompletionOption.ResponseHeadersRead)

        Assert.Equal("text/event-stream", string answer.Content.Headers.ContentType)
        let! stream = answer.Content.ReadAsStreamAsync()
        let reader = new StreamReader(stream)
        let! hello = block reader
        Assert.Equal<string list>([ ": conduit events" ], hello)
        return reader
    }

    [<Fact>]
    let ``what happens is told as it happens, in order`` () =
        AdminPorts.run [ "http://10.0.0.1:8081;id=a" ] (fun port -> task {
            use! reader = listen port

            let inPool news =
                Event.InPool(PoolName.defaultPool, news)

            let id = (port.Target "a").Backend.Spec.Id
            let! _ = port.Ports.Agent.Update [ inPool (PoolEvent.Checked(id, Some "refused")) ]

            let! _ =
                port.Ports.Agent.Update [
                    inPool (PoolEvent.Checked(id, None))
                    inPool (PoolEvent.Checked(id, None))
                ]

            let! _ =
                port.Write "PATCH" (AdminPorts.path "a") [] """{"weight":2,"state":"draining"}"""

            let! _ =
                port.Write "POST" "/api/v1/pools/default/backends" [] """{"url":"http://h:1","id":"c"}"""

            let! _ = port.Send "DELETE" (AdminPorts.path "c") [] None
            port.Ports.Events.Publish(ControlEvent.Reloaded { Version = 4; Changes = [ "x" ] })
            port.Ports.Events.Publish(ControlEvent.ReloadFailed [ Fault.create "f" "w" "r" ])
            port.Ports.Events.Publish ControlEvent.Stopping

            let about = "\"at\":\"2026-11-20T12:00:00+00:00\""

            let a =
                $"{about},\"pool\":\"default\",\"backend\":\"a\",\"url\":\"http://10.0.0.1:8081\""

            let c = $"{about},\"pool\":\"default\",\"backend\":\"c\",\"url\":\"http://h:1\""

            for number, (kind, rest) in
                Seq.indexed [
                    "backend_down", $"{a},\"reason\":\"refused\""
                    "backend_up", a
                    "backend_weight", $"{a},\"weight\":2"
                    "backend_state", $"{a},\"state\":\"draining\""
                    "backend_added", $"{c},\"weight\":1"
                    "backend_removed", c
                    "reloaded", $"{about},\"version\":4,\"changes\":[\"x\"]"
                    "reload_failed",
                    $"{about},\"faults\":[{{\"where\":\"f\",\"what\":\"w\",\"remedy\":\"r\"}}]"
                    "stopping", about
                ] do
                let! lines = block reader
                let data = sprintf "data: {\"type\":\"%s\",%s}" kind rest
                Assert.Equal<string list>([ $"id: {number + 1}"; $"event: {kind}"; data ], lines)
        })

    [<Fact>]
    let ``streams end when the port stops, and a client that leaves is forgotten`` () =
        AdminPorts.run [] (fun port -> task {
            use! left = listen port
            use! stayed = listen port
            left.Dispose()
            do! port.Stop().WaitAsync Eventually.patience
            let! rest = stayed.ReadToEndAsync() |> Eventually.finishes "the end of the stream"
            Assert.Equal("", rest)
        })

    /// A body that takes nothing until it is opened.
    [<Sealed>]
    type private SlowBody() =
        inherit MemoryStream()
        let opened = TaskCompletionSource()
        member _.Open() = opened.SetResult()

        member private _.Take(data: ReadOnlyMemory<byte>) = base.Write data.Span

        override this.WriteAsync(data: ReadOnlyMemory<byte>, _: CancellationToken) =
            let write: Task = task {
                do! opened.Task
                this.Take data
            }

            ValueTask write

    let private serve (ports: ControlPorts) settings (body: Stream) (leave: CancellationToken) =
        let http = DefaultHttpContext()
        http.Response.Body <- body
        EventStream.serve ports settings leave http

    let private textOf (body: MemoryStream) =
        Text.Encoding.UTF8.GetString(body.ToArray())

    [<Fact>]
    let ``a client that is too slow misses the oldest, and is told how many`` () = task {
        let ports = AdminPorts.ports []
        use body = new SlowBody()
        use leave = new CancellationTokenSource()

        let settings = {
            EventStream.settings with
                Capacity = 10
        }

        let serving = serve ports settings body leave.Token

        for _ in 1..25 do
            ports.Events.Publish ControlEvent.Stopping

        body.Open()
        do! Eventually.holds "the last event is sent" (fun () -> (textOf body).Contains "id: 25\n")
        leave.Cancel()
        do! serving.WaitAsync Eventually.patience
        let text = textOf body
        Assert.Contains("\"type\":\"dropped\",\"at\":\"2026-11-20T12:00:00+00:00\",\"count\":15}", text)
        Assert.DoesNotContain("id: 15\n", text)
        Assert.Contains("id: 16\n", text)
    }

    [<Fact>]
    let ``while nothing happens a comment is sent`` () = task {
        let ports = AdminPorts.ports []
        use body = new SlowBody()
        body.Open()
        use leave = new CancellationTokenSource()

        let settings = {
            EventStream.settings with
                Heartbeat = TimeSpan.FromMilliseconds 5.0
        }

        let serving = serve ports settings body leave.Token
        do! Eventually.holds "two comments" (fun () -> (textOf body).Split(": still here\n\n").Length > 2)
        ports.Events.Publish ControlEvent.Stopping
        do! Eventually.holds "the event" (fun () -> (textOf body).Contains "event: stopping")
        leave.Cancel()
        do! serving.WaitAsync Eventually.patience
    }
