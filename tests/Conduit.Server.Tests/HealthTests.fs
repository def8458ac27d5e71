module Conduit.Server.Tests.HealthTests

open System
open System.Threading
open System.Threading.Tasks
open Xunit
open Conduit
open Conduit.Server

let private check (change: HealthCheck -> HealthCheck) (settings: Settings) = {
    settings with
        Pool = {
            settings.Pool with
                Check = change settings.Pool.Check
        }
}

/// Checks by GET of a path, as often as is allowed.
let private often path rise fall =
    check (fun check -> {
        check with
            Probe = Probe.Http path
            Interval = TimeSpan.FromMilliseconds 60.0
            Thresholds = { Rise = rise; Fall = fall }
    })

let private isUp (running: Running) = Backend.isAvailable running.Backends[0]

/// A backend whose health the test decides.
[<Sealed>]
type private Patient() =
    let mutable status = 200
    let mutable checks = 0
    let mutable passed = 0

    member _.Status
        with get () = Volatile.Read &status
        and set (value: int) = Volatile.Write(&status, value)

    /// Checks that were answered so far.
    member _.Checks = Volatile.Read &checks

    member this.Script: Script =
        Script.answering (fun request ->
            if Message.target request = "/health" then
                Interlocked.Increment &checks |> ignore
                $"HTTP/1.1 {this.Status} Health\r\nContent-Length: 0\r\n\r\n"
            else
                Interlocked.Increment &passed |> ignore
                Script.ok "fine")

[<Fact>]
let ``The first check comes at once, with a path that is under the base path`` () = task {
    let patient = Patient()
    use backend = ScriptedBackend.Start patient.Script

    let settings =
        Balancers.settings [ backend.Url + "/base" ]
        |> check (fun check -> {
            check with
                Probe = Probe.Http "/health?deep"
        })

    do!
        Balancers.runWith settings (fun running -> task {
            // The next check would be an hour later.
            do! Eventually.holds "the first check is done" (fun () -> not backend.Requests.IsEmpty)
            Assert.Equal("GET /base/health?deep HTTP/1.1", backend.Request.Start)
            Assert.Equal(Some "conduit-health-check", Message.value "User-Agent" backend.Request)
            Assert.Equal(Some $"127.0.0.1:{backend.Port}", Message.value "Host" backend.Request)
            Assert.True(isUp running)
        })
}

[<Fact>]
let ``A backend whose first check fails gets no traffic`` () = task {
    use refusing = new RefusingPort()
    use backend = ScriptedBackend.Start(Script.always (Script.ok "fine"))

    do!
        Balancers.runWith (Balancers.settings [ refusing.Url; backend.Url ]) (fun running -> task {
            do! Eventually.holds "it is down" (fun () -> not (isUp running))

            for _ in 1..4 do
                let! response = running.Get "/"
                Assert.Equal(200, Message.status response)

            Assert.Equal<int64[]>([| 0L; 0L |], running.Failures)

            Assert.Contains(
                running.Log.Warnings,
                fun line -> line.Contains refusing.Url && line.Contains "[down]"
            )
        })
}

[<Theory>]
[<InlineData(200, true)>]
[<InlineData(204, true)>]
[<InlineData(302, true)>]
[<InlineData(399, true)>]
[<InlineData(400, false)>]
[<InlineData(404, false)>]
[<InlineData(503, false)>]
let ``Status 200 to 399 passes a check`` (status: int, passes: bool) = task {
    let patient = Patient(Status = status)
    use backend = ScriptedBackend.Start patient.Script

    let settings =
        Balancers.settings [ backend.Url ]
        |> check (fun check -> {
            check with
                Probe = Probe.Http "/health"
        })

    do!
        Balancers.runWith settings (fun running -> task {
            do!
                Eventually.holds "the check is done" (fun () ->
                    running.Backends[0].Health <> Health.Unproven)

            Assert.Equal(passes, isUp running)
        })
}

[<Fact>]
let ``A backend goes down after fall failures and up after rise passes`` () = task {
    let patient = Patient()
    use backend = ScriptedBackend.Start patient.Script

    do!
        Balancers.runWith (often "/health" 3 4 (Balancers.settings [ backend.Url ])) (fun running -> task {
            do! Eventually.holds "it is up" (fun () -> running.Backends[0].Health = Health.Up 0)
            patient.Status <- 500
            let failing = patient.Checks
            do! Eventually.holds "it is down" (fun () -> not (isUp running))
            // One check may have been on its way when the status changed.
            Assert.InRange(patient.Checks - failing, 3, 6)
            let! response = running.Get "/"
            Assert.Equal(503, Message.status response)

            patient.Status <- 200
            let passing = patient.Checks
            do! Eventually.holds "it is up again" (fun () -> isUp running)
            Assert.InRange(patient.Checks - passing, 2, 5)
            let! response = running.Get "/"
            Assert.Equal("fine", Message.text response)

            let told text =
                running.Log.Lines
                |> List.exists (fun line -> line.Text.Contains $"{backend.Url} [{text}]")

            Assert.True(told "down" && told "up")
        })
}

[<Fact>]
let ``A check that takes too long has failed`` () = task {
    use backend = ScriptedBackend.Start Script.silent

    let settings =
        Balancers.settings [ backend.Url ]
        |> check (fun check -> {
            check with
                Probe = Probe.Http "/health"
                Timeout = TimeSpan.FromMilliseconds 100.0
        })

    do!
        Balancers.runWith settings (fun running -> task {
            do! Eventually.holds "it is down" (fun () -> not (isUp running))
            Assert.Contains("longer than 100ms", Option.get running.Backends[0].LastFailure)
        })
}

[<Fact>]
let ``Failures of requests take a backend out without waiting for a check`` () = task {
    use failing = ScriptedBackend.Start Script.resetting
    use backend = ScriptedBackend.Start(Script.always (Script.ok "fine"))

    let change =
        check (fun check -> {
            check with
                Thresholds = { Rise = 1; Fall = 3 }
        })

    do!
        Balancers.run change [ failing.Url; backend.Url ] (fun running -> task {
            for _ in 1..12 do
                let! response = running.Get "/"
                Assert.Equal("fine", Message.text response)

            do! Eventually.holds "it is down" (fun () -> not (isUp running))
            Assert.InRange(failing.Requests.Length, 3, 6)
        })
}

[<Fact>]
let ``A success between failures begins the count anew`` () =
    // Every third request is answered, and never are there three failures in a row.
    let script =
        Script.inTurn [
            for _ in 1..4 do
                Script.resetting
                Script.resetting
                Script.closing (Script.ok "fine")
        ]

    let change (settings: Settings) =
        check
            (fun check -> {
                check with
                    Thresholds = { Rise = 1; Fall = 3 }
            })
            {
                settings with
                    Pool = { settings.Pool with Retry.Most = 0 }
            }

    Balancers.withOneAnd change script (fun _ running -> task {
        for turn in 1..12 do
            let! response = running.Get "/"
            Assert.Equal((if turn % 3 = 0 then 200 else 502), Message.status response)

        Assert.True(isUp running)
    })

[<Fact>]
let ``A backend that comes back is used again`` () = task {
    use holder = new RefusingPort()
    let port = holder.Port
    use other = ScriptedBackend.Start(Script.always (Script.ok "other"))

    let settings =
        Balancers.settings [ $"http://127.0.0.1:{port}"; other.Url ]
        |> check (fun check -> {
            check with
                Interval = TimeSpan.FromMilliseconds 60.0
                Thresholds = { Rise = 2; Fall = 1 }
        })

    do!
        Balancers.runWith settings (fun running -> task {
            do! Eventually.holds "it is down" (fun () -> not (isUp running))
            holder.Listen()
            do! Eventually.holds "it is up" (fun () -> isUp running)
        })
}
