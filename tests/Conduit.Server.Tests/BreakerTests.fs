module Conduit.Server.Tests.BreakerTests

open System
open System.Threading
open Xunit
open Conduit
open Conduit.Server

let private breaker change (settings: Settings) = {
    settings with
        Pool = {
            settings.Pool with
                Breaker = Some(change Breaker.defaults)
        }
}

/// Opens at the third failure and is half-open a moment later, with one trial at a time.
let private quick =
    breaker (fun defaults -> {
        defaults with
            FailureThreshold = 3
            ResetTimeout = TimeSpan.FromMilliseconds 100.0
            MaxResetTimeout = TimeSpan.FromMilliseconds 100.0
            HalfOpenLimit = 2
    })

/// Answers with the status that the test has set.
[<Sealed>]
type private Moody() =
    let mutable status = 500

    member _.Status
        with get () = Volatile.Read &status
        and set (value: int) = Volatile.Write(&status, value)

    member this.Script: Script =
        Script.answering (fun _ -> $"HTTP/1.1 {this.Status} Moody\r\nContent-Length: 0\r\n\r\n")

[<Fact>]
let ``A backend that answers 500 is left alone, while its health stays up, and the client gets what it answered``
    ()
    = task {
    let moody = Moody()
    use failing = ScriptedBackend.Start moody.Script
    use fine = ScriptedBackend.Start(Script.always (Script.ok "fine"))

    let change = breaker (fun defaults -> { defaults with FailureThreshold = 3 })

    do!
        Balancers.run change [ failing.Url; fine.Url ] (fun running -> task {
            while failing.Requests.Length < 3 do
                let! _ = running.Get "/"
                ()

            do! Eventually.holds "the breaker is open" (fun () -> Breaker.isOpen running.Backends[0].Breaker)

            for _ in 1..10 do
                let! response = running.Get "/"
                Assert.Equal(200, Message.status response)

            Assert.Equal(3, failing.Requests.Length)
            Assert.True(Health.isUp running.Backends[0].Health)
            Assert.Equal(Some "answered 500", running.Backends[0].LastFailure)
            // It has failed nobody as far as health goes.
            Assert.Equal<int64[]>([| 0L; 0L |], running.Failures)
        })
}

[<Fact>]
let ``With every breaker open the answer is 503, and no backend is asked`` () = task {
    let moody = Moody()
    use failing = ScriptedBackend.Start moody.Script

    do!
        Balancers.run (breaker id) [ failing.Url ] (fun running -> task {
            for _ in 1..5 do
                let! response = running.Get "/"
                Assert.Equal(500, Message.status response)

            do! Eventually.holds "the breaker is open" (fun () -> Breaker.isOpen running.Backends[0].Breaker)

            let! response = running.Get "/"
            Assert.Equal(503, Message.status response)
            Assert.Equal(5, failing.Requests.Length)
            // The reset timeout, or what is left of it.
            Assert.InRange(int (Message.value "Retry-After" response |> Option.get), 1, 30)
        })
}

[<Fact>]
let ``A backend that is well again comes back by its trials`` () = task {
    let moody = Moody()
    use failing = ScriptedBackend.Start moody.Script
    use fine = ScriptedBackend.Start(Script.always (Script.ok "fine"))

    do!
        Balancers.run quick [ failing.Url; fine.Url ] (fun running -> task {
            let turns (name: string) =
                Eventually.holds $"the breaker is {name}" (fun () ->
                    Breaker.name running.Backends[0].Breaker = name)

            for _ in 1..6 do
                let! _ = running.Get "/"
                ()

            // Once the trial fails it is open again.
            do! turns "half-open"
            let before = failing.Requests.Length

            do! task {
                while failing.Requests.Length = before do
                    let! _ = running.Get "/"
                    ()
            }

            moody.Status <- 200
            do! turns "half-open"

            do! task {
                while Breaker.name running.Backends[0].Breaker <> "closed" do
                    let! response = running.Get "/"
                    Assert.Equal(200, Message.status response)
            }
        })
}

[<Fact>]
let ``What counts as a failure is configured, and a client that leaves is none`` () = task {
    let moody = Moody()
    use failing = ScriptedBackend.Start moody.Script

    let change =
        breaker (fun defaults -> {
            defaults with
                FailureThreshold = 1
                FailureStatuses = StatusSet.range 503 503
        })

    do!
        Balancers.run change [ failing.Url ] (fun running -> task {
            for _ in 1..3 do
                let! response = running.Get "/"
                Assert.Equal(500, Message.status response)

            moody.Status <- 503
            let! response = running.Get "/"
            Assert.Equal(503, Message.status response)

            do! Eventually.holds "the breaker is open" (fun () -> Breaker.isOpen running.Backends[0].Breaker)
        })
}
