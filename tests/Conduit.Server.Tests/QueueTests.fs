module Conduit.Server.Tests.QueueTests

open System
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

let private limit most length timeout (settings: Settings) = {
    settings with
        Pool = {
            settings.Pool with
                Limit =
                    Some {
                        Most = most
                        QueueLength = length
                        QueueTimeout = timeout
                    }
        }
}

/// Answers each request when the test lets it.
[<Sealed>]
type private Gatekeeper() =
    let gate = new System.Threading.SemaphoreSlim 0

    member _.Open count = gate.Release count |> ignore

    member _.Script: Script =
        fun connection -> task {
            let mutable going = true

            while going do
                match! connection.ReadRequest() with
                | None -> going <- false
                | Some _ ->
                    do! gate.WaitAsync()
                    do! connection.Send(Script.ok "fine")
        }

let private get = "GET / HTTP/1.1\r\nHost: conduit.test\r\n\r\n"

let private waiting (running: Running) =
    match running.Balancer.Agent.Current.Pools[0].Line with
    | null -> 0
    | line -> line.Count

[<Fact>]
let ``Requests beyond the limit wait, and are answered as places come free`` () = task {
    let gate = Gatekeeper()
    use backend = ScriptedBackend.Start gate.Script

    do!
        Balancers.run (limit 2 10 Eventually.patience) [ backend.Url ] (fun running -> task {
            let asked = [ for _ in 1..6 -> running.Get "/" ]

            do!
                Eventually.holds "two are in flight and four wait" (fun () ->
                    running.InFlight = 2 && waiting running = 4 && backend.Requests.Length = 2)

            gate.Open 6
            let! responses = Task.WhenAll asked
            Assert.All(responses, fun response -> Assert.Equal(200, Message.status response))
            Assert.Equal(0, waiting running)
        })
}

let private refuses change (reason: RejectReason) = task {
    let gate = Gatekeeper()
    use backend = ScriptedBackend.Start gate.Script

    do!
        Balancers.run change [ backend.Url ] (fun running -> task {
            let first = running.Get "/"
            do! Eventually.holds "one is in flight" (fun () -> backend.Requests.Length = 1)
            let! second = running.Get "/"
            Assert.Equal(503, Message.status second)
            Assert.True((Message.value "Retry-After" second).IsSome)
            gate.Open 1
            let! first = first
            Assert.Equal(200, Message.status first)
            Assert.Equal(1, backend.Requests.Length)
            Assert.Equal(1L, running.Balancer.Agent.Current.Pools[0].Rejections.Count reason)
        })
}

[<Fact>]
let ``A full queue is a 503 with Retry-After, and is counted`` () =
    refuses (limit 1 0 Eventually.patience) RejectReason.QueueFull

[<Fact>]
let ``A wait that is too long is a 503 with Retry-After, and is counted`` () =
    refuses (limit 1 1 (TimeSpan.FromMilliseconds 100.0)) RejectReason.QueueTimeout

[<Fact>]
let ``A request whose client leaves leaves the queue`` () = task {
    let gate = Gatekeeper()
    use backend = ScriptedBackend.Start gate.Script

    do!
        Balancers.run (limit 1 10 Eventually.patience) [ backend.Url ] (fun running -> task {
            let first = running.Get "/"
            do! Eventually.holds "one is in flight" (fun () -> backend.Requests.Length = 1)

            do! task {
                use! leaving = running.Connect()
                do! leaving.Send get
                do! Eventually.holds "one waits" (fun () -> waiting running = 1)
                leaving.Reset()
            }

            do! Eventually.holds "nobody waits" (fun () -> waiting running = 0)
            gate.Open 1
            let! first = first
            Assert.Equal(200, Message.status first)
            Assert.Equal(1, backend.Requests.Length)
        })
}

[<Fact>]
let ``Who waits goes to a backend that joins, and is refused at once when none is left`` () = task {
    let gate = Gatekeeper()
    use backend = ScriptedBackend.Start gate.Script
    use other = ScriptedBackend.Start(Script.always (Script.ok "other"))

    do!
        Balancers.run (limit 1 10 Eventually.patience) [ backend.Url ] (fun running -> task {
            let update events = task {
                let! _ =
                    running.Balancer.Agent.Update(
                        List.map (fun news -> Event.InPool(PoolName.defaultPool, news)) events
                    )

                ()
            }

            let spec text =
                match BackendSpec.parse "test" text with
                | Ok spec -> spec
                | Error faults -> failwith $"%A{faults}"

            let first = running.Get "/"
            do! Eventually.holds "one is in flight" (fun () -> backend.Requests.Length = 1)
            let second = running.Get "/"
            do! Eventually.holds "one waits" (fun () -> waiting running = 1)
            do! update [ PoolEvent.Added(spec other.Url) ]
            let! second = second
            Assert.Equal("other", Message.text second)

            do! update [ PoolEvent.Removed (spec other.Url).Id ]
            let third = running.Get "/"
            do! Eventually.holds "one waits" (fun () -> waiting running = 1)
            do! update [ PoolEvent.AdminSet((spec backend.Url).Id, AdminState.Draining) ]
            let! third = third
            Assert.Equal(503, Message.status third)
            gate.Open 1
            let! first = first
            Assert.Equal(200, Message.status first)
        })
}
